<?php
/**
 * Calls functions of the example by name: one JSON line in ({fn, args}), one JSON line out.
 * For what decides and touches nothing.
 */

putenv( 'WP_STATE=' . tempnam( sys_get_temp_dir(), 'wp' ) );
require __DIR__ . '/wordpress.php';
require getenv( 'WP_PLUGIN' );

while ( false !== ( $line = fgets( STDIN ) ) ) {
	$call = json_decode( $line, true );
	try {
		$result = ( 'CognitiveCart\\Example\\' . $call['fn'] )( ...$call['args'] );
		$answer = is_wp_error( $result ) ? array( 'error' => $result->get_error_code() ) : array( 'value' => $result );
	} catch ( Throwable $problem ) {
		$answer = array( 'thrown' => $problem::class, 'message' => $problem->getMessage() );
	}
	echo json_encode( $answer ), "\n";
}
unlink( getenv( 'WP_STATE' ) );
