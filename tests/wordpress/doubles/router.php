<?php
/**
 * What WordPress does around a plugin, for `php -S`: loads it, finds the route, calls it.
 */

require __DIR__ . '/wordpress.php';
if ( getenv( 'WP_WOO' ) ) {
	require __DIR__ . '/woocommerce.php';
}
if ( getenv( 'WP_WORKER_URL' ) ) {
	define( 'COGNITIVE_CART_WORKER_URL', getenv( 'WP_WORKER_URL' ) );
}
require dirname( __DIR__ ) . '/probe.php';
require getenv( 'WP_PLUGIN' );

$path = parse_url( $_SERVER['REQUEST_URI'], PHP_URL_PATH );

if ( '/wp-cron.php' === $path ) {
	// Every event that waits, whatever its time: a test does not wait three minutes.
	$events = get_option( 'cron', array() );
	update_option( 'cron', array() );
	foreach ( $events as $event ) {
		do_action( $event['hook'], ...$event['args'] );
	}
	exit;
}

if ( '/wp-admin/admin-post.php' === $path || '/wp-admin/admin.php' === $path ) {
	if ( ! get_current_user_id() ) {
		wp_redirect( home_url( '/wp-login.php' ) );
		exit;
	}
	if ( str_ends_with( $path, 'post.php' ) ) {
		do_action( 'admin_post_' . ( $_REQUEST['action'] ?? '' ) );
		exit;
	}
	do_action( 'admin_menu' );
	list( $hook, $may, $draw ) = $GLOBALS['wp_menu'][ $_GET['page'] ?? '' ];
	if ( ! current_user_can( $may ) ) {
		wp_die( 'Sorry, you are not allowed to access this page.', '', array( 'response' => 403 ) );
	}
	do_action( 'load-' . $hook );
	$draw();
	exit;
}

$rest = str_starts_with( $path, '/wp-json/' ) ? substr( $path, strlen( '/wp-json' ) ) : ( $_GET['rest_route'] ?? null );
if ( null !== $rest ) {
	do_action( 'rest_api_init' );
	$route   = $GLOBALS['wp_routes'][ $rest ] ?? null;
	$request = new WP_REST_Request( array_change_key_case( getallheaders() ), file_get_contents( 'php://input' ) );
	// As WordPress: a cookie without the nonce is nobody.
	if ( ! wp_verify_nonce( $request->get_header( 'x-wp-nonce' ), 'wp_rest' ) ) {
		unset( $_COOKIE['wp_user'] );
	}
	if ( ! $route || $route['methods'] !== $_SERVER['REQUEST_METHOD'] ) {
		$answer = new WP_Error( 'rest_no_route', 'No route was found.', array( 'status' => 404 ) );
	} elseif ( ! $route['permission_callback']( $request ) ) {
		$answer = new WP_Error( 'rest_forbidden', 'Sorry, you are not allowed to do that.', array( 'status' => 401 ) );
	} else {
		$answer = $route['callback']( $request );
	}
	header( 'Content-Type: application/json; charset=UTF-8' );
	if ( is_wp_error( $answer ) ) {
		http_response_code( $answer->get_error_data()['status'] ?? 500 );
		echo json_encode( array( 'code' => $answer->get_error_code(), 'message' => $answer->get_error_message(), 'data' => $answer->get_error_data() ) );
		exit;
	}
	http_response_code( $answer->status );
	foreach ( $answer->headers as $name => $value ) {
		header( "$name: $value" );
	}
	echo json_encode( $answer->data );
	exit;
}

do_action( 'template_redirect' );
echo 'The shop: ' . esc_html( $path );
