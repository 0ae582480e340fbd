<?php
/** A real WordPress under `php -S`: its files as they are, pretty addresses to index.php, and two doors for the tests. */

$path = parse_url( $_SERVER['REQUEST_URI'], PHP_URL_PATH );
if ( '/wp-cron.php' === $path ) {
	// Every event of the example that waits, whatever its time: a test does not wait three minutes.
	require getenv( 'WP_DIR' ) . '/wp-load.php';
	foreach ( _get_cron_array() as $at => $hooks ) {
		foreach ( $hooks['cognitive_cart_look'] ?? array() as $event ) {
			wp_unschedule_event( $at, 'cognitive_cart_look', $event['args'] );
			do_action_ref_array( 'cognitive_cart_look', $event['args'] );
		}
	}
} elseif ( '/_option' === $path ) {
	require getenv( 'WP_DIR' ) . '/wp-load.php';
	echo json_encode( get_option( $_GET['name'] ) );
} elseif ( is_file( getenv( 'WP_DIR' ) . $path ) ) {
	return false;
} else {
	require getenv( 'WP_DIR' ) . '/index.php';
}
