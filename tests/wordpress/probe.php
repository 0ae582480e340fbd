<?php
/**
 * The tests' own must-use plugin, beside the example: products, cart and currency of the shop under
 * test (from a file that the test writes), and a log of what the example asked WordPress for.
 * The same file serves the doubles and a real WordPress.
 */

function probe_config() {
	$text = @file_get_contents( getenv( 'PROBE' ) . '/shop.json' );
	return json_decode( $text ? $text : '{}', true );
}
function probe_log( array $entry ) {
	file_put_contents( getenv( 'PROBE' ) . '/log.jsonl', json_encode( $entry ) . "\n", FILE_APPEND | LOCK_EX );
}

add_filter( 'cognitive_cart_currency', fn() => probe_config()['currency'] ?? 'usd' );
add_filter( 'cognitive_cart_product', fn( $none, $id ) => probe_config()['products'][ $id ] ?? null, 10, 2 );
add_filter( 'cognitive_cart_cart', fn() => probe_config()['cart'] ?? array() );
add_filter( 'cognitive_cart_limit', fn( $limit, $who ) => probe_config()['limit'] ?? $limit, 10, 2 );
add_filter(
	'http_request_args',
	function ( $args, $url ) {
		probe_log(
			array(
				'what'        => 'http',
				'url'         => $url,
				'method'      => $args['method'],
				'timeout'     => $args['timeout'],
				'redirection' => $args['redirection'],
				'key'         => $args['headers']['Idempotency-Key'] ?? null,
				'body'        => is_string( $args['body'] ) ? json_decode( $args['body'], true ) : null,
			)
		);
		return $args;
	},
	10,
	2
);
add_action(
	'cognitive_cart_payment_complete',
	fn( $order, $transaction ) => probe_log( array( 'what' => 'payment_complete', 'order' => $order, 'transaction' => $transaction ) ),
	10,
	2
);
// Holding a payment open shows what a second one does meanwhile.
add_action( 'cognitive_cart_payment_complete', fn() => usleep( 1000 * ( probe_config()['slow_ms'] ?? 0 ) ) );
// What a theme prints into the page for its chat window.
add_action(
	'template_redirect',
	function () {
		if ( isset( $_GET['probe-nonce'] ) ) {
			echo wp_create_nonce( 'wp_rest' );
			exit;
		}
	},
	1
);
