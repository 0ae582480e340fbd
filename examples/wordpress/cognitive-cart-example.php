<?php
/**
 * Plugin Name: CognitiveCart example
 * Description: The shop's half of the CognitiveCart Worker contract in one file: register, connect Stripe, two checkouts, the way home, notices.
 * Version:     1.0.0
 * Requires PHP: 8.0
 *
 * Copy this file to wp-content/mu-plugins/ and say in wp-config.php where the Worker is:
 *
 *     define( 'COGNITIVE_CART_WORKER_URL', 'https://your-worker.example.com' );
 *
 * How to read it: money → what the shop keeps → talking to the Worker → registration →
 * the Connectivity page → the shop's prices → a session → the way home → the manifest.
 * Functions marked "Decides" take plain values, touch nothing, and are what the tests call.
 *
 * @package CognitiveCart
 */

namespace CognitiveCart\Example;

use InvalidArgumentException;
use WP_Error;

if ( ! defined( 'ABSPATH' ) ) {
	exit;
}

const REST          = 'cognitive-cart/v1';
const PAGE          = 'cognitive-cart';
const SHOP          = 'cognitive_cart_shop';     // Option: our account at the Worker.
const MODE          = 'cognitive_cart_mode';     // Option: 'live' or 'test'.
const TIMEOUT       = 20;    // WordPress gives a call 5 s. The Worker gives Stripe 10 s and may ask twice.
const FRESH         = 300;   // Age in seconds at which a signed way home is too old to act on.
const ATTEMPT_LIFE  = 3600;  // For how long one idempotency key may be used again.
const SESSION_LIFE  = 7200;  // Longer than an attempt: a repeated answer must name a session that is still open.
const MANIFEST_LIFE = 300;

/*
 * ---------------------------------------------------------------------------
 * Money. Stripe's minor units are not ISO 4217's exponents, and no float ever
 * holds an amount: 19.99 * 100 is 1998.9999999999998 in PHP.
 * ---------------------------------------------------------------------------
 */

/**
 * Decides how a currency is written for Stripe: digits after the point that are sent,
 * and how many of them may be other than 0.
 *
 * ISK and UGX are sent in hundredths but have whole units only; the dinars and the rial
 * are sent in thousandths with a last digit of 0.
 *
 * @param string $currency ISO code, either case.
 * @return int[] Sent digits, usable digits.
 */
function currency_digits( string $currency ): array {
	$zero = array( 'bif', 'clp', 'djf', 'gnf', 'jpy', 'kmf', 'krw', 'mga', 'pyg', 'rwf', 'vnd', 'vuv', 'xaf', 'xof', 'xpf' );
	$code = strtolower( $currency );
	if ( in_array( $code, $zero, true ) ) {
		return array( 0, 0 );
	}
	if ( 'isk' === $code || 'ugx' === $code ) {
		return array( 2, 0 );
	}
	if ( in_array( $code, array( 'bhd', 'jod', 'kwd', 'omr', 'tnd' ), true ) ) {
		return array( 3, 2 );
	}
	return array( 2, 2 );
}

/**
 * Decides the minor units of a decimal string, exactly.
 *
 * @param string $decimal  Like "19.99": digits and one point, no sign, no grouping.
 * @param string $currency ISO code.
 * @param bool   $round    Round half up what cannot be charged, instead of refusing it. For parts only, never for a total.
 * @throws InvalidArgumentException When this is no amount that Stripe can charge.
 * @return int
 */
function minor_units( string $decimal, string $currency, bool $round = false ): int {
	if ( ! preg_match( '/^(\d{1,12})(?:\.(\d+))?$/D', $decimal, $part ) ) {
		throw new InvalidArgumentException( "\"$decimal\" is not an amount." );
	}
	list( $sent, $usable ) = currency_digits( $currency );

	$fraction = $part[2] ?? '';
	$minor    = (int) ( $part[1] . str_pad( substr( $fraction, 0, $usable ), $usable, '0' ) );
	$beyond   = (string) substr( $fraction, $usable );
	if ( '' !== trim( $beyond, '0' ) ) {
		if ( ! $round ) {
			throw new InvalidArgumentException(
				sprintf( '%s %s cannot be charged: set the number of decimals of the shop to %d.', $decimal, strtoupper( $currency ), $usable )
			);
		}
		$minor += $beyond[0] >= '5' ? 1 : 0;
	}
	$minor *= 10 ** ( $sent - $usable );
	if ( $minor > 999999999999 ) {
		throw new InvalidArgumentException( "$decimal is more than Stripe can charge at once." );
	}
	return $minor;
}

/**
 * Decides what of an order's total its parts do not explain: the tax, give or take the pennies
 * that the shop rounded elsewhere. So the parts always add up to the total the buyer was shown.
 *
 * @param int   $total  Minor units.
 * @param int[] $parts  Minor units; what is taken off is negative.
 * @param int   $tax    The tax that the shop says.
 * @param int   $unit   The smallest amount of this currency.
 * @throws InvalidArgumentException When the difference is more than rounding.
 * @return int
 */
function tax_and_pennies( int $total, array $parts, int $tax, int $unit ): int {
	$rest = $total - array_sum( $parts );
	if ( abs( $rest - $tax ) > $unit * ( count( $parts ) + 1 ) ) {
		throw new InvalidArgumentException( 'The order does not add up.' );
	}
	return $rest;
}

/*
 * ---------------------------------------------------------------------------
 * What the shop keeps.
 * ---------------------------------------------------------------------------
 */

/**
 * The Worker's address without a trailing slash; '' when there is none that a key may be sent to.
 *
 * @return string
 */
function worker_url(): string {
	$url = defined( 'COGNITIVE_CART_WORKER_URL' ) ? rtrim( (string) constant( 'COGNITIVE_CART_WORKER_URL' ), '/' ) : '';
	// The key travels in a header: never in the clear, except on one's own machine.
	return preg_match( '#^(https://|http://(localhost|127\.0\.0\.1)(:|$))#', $url ) ? $url : '';
}

/**
 * Our account at the Worker, or null. A copy of the database on another site (staging!) or a
 * changed Worker address is another shop: it must not trade with the first one's key.
 *
 * @return array|null
 */
function shop(): ?array {
	$shop = get_option( SHOP );
	$ours = is_array( $shop ) && worker_url() === $shop['worker'] && home_url() === $shop['site'];
	return $ours ? $shop : null;
}

/**
 * Keeps our account. Not autoloaded: the key need not be in memory for every page view.
 *
 * @param array $shop As shop() returns it.
 */
function keep_shop( array $shop ): void {
	update_option( SHOP, $shop, false );
}

/**
 * In which of Stripe's modes this shop sells. Always sent, so that what comes home can be compared with it.
 *
 * @return string
 */
function mode(): string {
	return 'live' === get_option( MODE, 'test' ) ? 'live' : 'test';
}

/**
 * Decides what is written into a lock. A colon, not a point, ends the time: of 1790000000.1e999 PHP makes a
 * number, infinity, and of that the integer 0, so that a lock just taken would look older than any.
 *
 * @param int    $now  Unix time.
 * @param string $uuid Whose it is.
 * @return string
 */
function lock_value( int $now, string $uuid ): string {
	return $now . ':' . $uuid;
}

/**
 * Decides whether a lock was left by a crash.
 *
 * @param string $held What is written in it.
 * @param int    $now  Unix time.
 * @return bool
 */
function lock_is_stale( string $held, int $now ): bool {
	return (int) strtok( $held, ':.' ) < $now - 2 * MINUTE_IN_SECONDS;
}

/**
 * Runs something that must not run twice at once. The options table has a unique name, so
 * inserting a row is atomic; add_option() is not (it looks first, and then overwrites).
 *
 * @param string   $name What is guarded.
 * @param callable $work Runs while the lock is held.
 * @return mixed What $work returns, or WP_Error 'busy'.
 */
function with_lock( string $name, callable $work ) {
	global $wpdb;
	$row   = 'cognitive_cart_lock_' . $name;
	$mine  = lock_value( time(), wp_generate_uuid4() );
	$quiet = $wpdb->suppress_errors( true ); // A duplicate is the expected answer, not news for the log.
	$got   = $wpdb->insert(
		$wpdb->options,
		array(
			'option_name'  => $row,
			'option_value' => $mine,
			'autoload'     => 'no',
		)
	);
	if ( ! $got ) {
		// A lock left by a crash is taken over, by whoever changes exactly the value that was seen.
		$held = (string) $wpdb->get_var( $wpdb->prepare( "SELECT option_value FROM {$wpdb->options} WHERE option_name = %s", $row ) );
		if ( '' !== $held && lock_is_stale( $held, time() ) ) {
			$got = $wpdb->update( $wpdb->options, array( 'option_value' => $mine ), array( 'option_name' => $row, 'option_value' => $held ) );
		}
	}
	$wpdb->suppress_errors( $quiet );
	if ( ! $got ) {
		return new WP_Error( 'busy', 'The same thing is being done right now. Try again in a moment.', array( 'status' => 409 ) );
	}
	try {
		return $work();
	} finally {
		$wpdb->delete( $wpdb->options, array( 'option_name' => $row, 'option_value' => $mine ) );
	}
}

/*
 * ---------------------------------------------------------------------------
 * Talking to the Worker.
 * ---------------------------------------------------------------------------
 */

/**
 * Decides whether to ask again, and in how many seconds.
 *
 * @param int    $status      HTTP status, 0 when no answer came.
 * @param string $code        The Worker's error code.
 * @param int    $retry_after What the Worker proposes, 0 when it does not say.
 * @param int    $tries       How often it was tried.
 * @return int|null Null: leave it.
 */
function retry_in( int $status, string $code, int $retry_after, int $tries ): ?int {
	$worth = 0 === $status || 502 === $status || 504 === $status
		|| ( 503 === $status && 'not_configured' !== $code )
		|| ( 409 === $status && in_array( $code, array( 'idempotency_in_flight', 'order_in_flight' ), true ) );
	// A buyer is waiting and a PHP process with them: a long wait is an answer, not a pause.
	return $worth && $tries < 3 && $retry_after <= 3 ? max( 1, $retry_after ) : null;
}

/**
 * Calls the Worker.
 *
 * @param string     $method     HTTP method.
 * @param string     $path       Like '/v1/shop'.
 * @param array|null $body       Sent as JSON.
 * @param array      $headers    More headers.
 * @param bool       $repeatable Whether the call may be sent again when its answer was lost.
 * @return array|WP_Error The answer's body, or an error whose code is the Worker's.
 */
function call( string $method, string $path, ?array $body = null, array $headers = array(), bool $repeatable = false ) {
	if ( '' === worker_url() ) {
		return new WP_Error( 'no_worker', explain( 'no_worker' ), array( 'status' => 0 ) );
	}
	$shop = shop();
	if ( $shop && '/v1/shops' !== $path ) {
		$headers['Authorization'] = 'Bearer ' . $shop['api_key'];
	}
	$request = array(
		'method'      => $method,
		'timeout'     => TIMEOUT,
		'redirection' => 0, // The Worker never redirects an API call. Something that does must not get the key.
		'headers'     => $headers + array( 'Accept' => 'application/json' ),
	);
	if ( null !== $body ) {
		$request['headers']['Content-Type'] = 'application/json';
		$request['body']                    = wp_json_encode( $body );
	}

	$started = time();
	for ( $tries = 1; ; $tries++ ) {
		$answer = wp_remote_request( worker_url() . $path, $request );
		$lost   = is_wp_error( $answer );
		$status = $lost ? 0 : (int) wp_remote_retrieve_response_code( $answer );
		$data   = $lost ? null : json_decode( wp_remote_retrieve_body( $answer ), true );
		if ( $status >= 200 && $status < 300 && is_array( $data ) ) {
			return $data;
		}
		$error = is_array( $data['error'] ?? null ) ? $data['error'] : array();
		$code  = (string) ( $error['code'] ?? ( $lost ? 'unreachable' : 'unexpected_answer' ) );
		$wait  = retry_in( $status, $code, $lost ? 0 : (int) wp_remote_retrieve_header( $answer, 'retry-after' ), $tries );
		if ( ! $repeatable || null === $wait || time() - $started > TIMEOUT ) {
			break;
		}
		sleep( $wait );
	}
	return new WP_Error(
		$code,
		(string) ( $error['message'] ?? ( $lost ? $answer->get_error_message() : "The Worker answered $status." ) ),
		array(
			'status' => $status,
			'error'  => $error,
		)
	);
}

/**
 * Every code that an admin may meet, and what to do about it.
 *
 * @param string $code The Worker's or ours.
 * @return string
 */
function explain( string $code ): string {
	$words = array(
		// How a connection ends: cc_connect and cc_code of the way back.
		'connected'           => 'Stripe is connected.',
		'disconnected'        => 'Stripe is disconnected.',
		'denied'              => 'You did not give access at Stripe. Nothing was connected.',
		'code_rejected'       => 'Stripe did not accept the authorization, usually because it took too long. Connect again.',
		'mode_mismatch'       => 'The Stripe account answered in the other mode. Choose Test or Live here as you did at Stripe, and connect again.',
		'already_connected'   => 'Another Stripe account is connected. Disconnect it first, or tick "Replace".',
		'stripe_unavailable'  => 'Stripe did not answer. Nothing was connected; try again in a few minutes.',
		'account_invalid'     => 'Stripe named an account that cannot be used here.',
		'browser_mismatch'    => 'The connection was finished in another browser than it was started in. Connect again in one browser.',
		// Confirming.
		'return_not_yours'    => 'This way back belongs to another session. Log in as the admin who pressed Connect, and connect again.',
		'verifier_missing'    => 'This connection was not started in your session, so it was not accepted. Connect again.',
		'verifier_mismatch'   => 'This connection was not started in your session, so it was refused. Connect again.',
		'claim_dead'          => 'The connection was not confirmed within 10 minutes. Connect again.',
		// Registering.
		'no_worker'           => 'COGNITIVE_CART_WORKER_URL is missing in wp-config.php, or is not an https address.',
		'unreachable'         => 'The Worker did not answer. Check its address, and whether this server may call out.',
		'challenge_failed'    => 'The Worker could not read this site\'s challenge. A firewall or a "coming soon" page usually stands in the way: let the user agent CognitiveCart-Worker pass.',
		'api_key_invalid'     => 'The Worker does not know this shop any more (it was registered anew, or erased). Connect registers it again.',
		'shop_not_verified'   => 'The Worker has not verified this shop yet. Connect verifies it.',
		'shop_suspended'      => 'The operator of the Worker has suspended this shop.',
		'checkout_disabled'   => 'Checkout is switched off for this shop (kill switch).',
		'not_configured'      => 'The Worker is not fully set up, or not for this mode. Its front page tells the operator what is missing.',
		// Selling.
		'not_connected'       => 'No Stripe account is connected in this mode.',
		'connection_gone'     => 'Stripe says that the connection has ended. Connect again.',
	);
	return $words[ $code ] ?? 'Something went wrong.';
}

/*
 * ---------------------------------------------------------------------------
 * Registration: the Worker reads a secret on our own address before it believes who we are.
 * ---------------------------------------------------------------------------
 */

/**
 * Makes sure that the Worker knows and has verified this shop.
 *
 * @return true|WP_Error
 */
function register() {
	return with_lock(
		'register',
		static function () {
			$known = shop() ? call( 'GET', '/v1/shop', null, array(), true ) : new WP_Error( 'api_key_invalid' );
			if ( is_wp_error( $known ) && 'api_key_invalid' !== $known->get_error_code() ) {
				return $known;
			}
			if ( is_wp_error( $known ) ) {
				$known = call(
					'POST',
					'/v1/shops',
					array(
						'site_url'      => home_url(),
						'challenge_url' => rest_url( REST . '/challenge' ),
						'webhook_url'   => rest_url( REST . '/notices' ),
						'name'          => get_bloginfo( 'name' ) ? get_bloginfo( 'name' ) : 'WordPress',
					)
				);
				if ( is_wp_error( $known ) ) {
					return $known;
				}
				// Kept before verifying: the Worker asks our challenge route, in another process, during that call.
				keep_shop(
					array(
						'worker'         => worker_url(),
						'site'           => home_url(),
						'id'             => $known['id'],
						'api_key'        => $known['api_key'],
						'signing_secret' => $known['signing_secret'],
						'challenge'      => $known['challenge'],
					)
				);
			}
			$verified = 'active' === $known['status'] ? true : call( 'POST', '/v1/shop/verify', null, array(), true );
			if ( array_key_exists( 'webhook_url', $known ) && null === $known['webhook_url'] && ! is_wp_error( $verified ) ) {
				// Registered by a version of this file that took no notices.
				$verified = call( 'PATCH', '/v1/shop', array( 'webhook_url' => rest_url( REST . '/notices' ) ), array(), true );
			}
			return is_wp_error( $verified ) ? $verified : true;
		}
	);
}

/**
 * GET /wp-json/cognitive-cart/v1/challenge. Public on purpose: it proves that whoever registered
 * can publish on this address, and it opens nothing.
 */
function answer_challenge() {
	$shop = shop();
	if ( ! $shop ) {
		return new WP_Error( 'not_registered', 'This shop is not registered.', array( 'status' => 404 ) );
	}
	$response = rest_ensure_response( array( 'challenge' => $shop['challenge'] ) );
	$response->header( 'Cache-Control', 'no-store' );
	return $response;
}

/*
 * ---------------------------------------------------------------------------
 * CognitiveCart → Connectivity.
 * ---------------------------------------------------------------------------
 */

/**
 * URL-safe base64 without padding.
 *
 * @param string $bytes Any bytes.
 * @return string
 */
function base64url( string $bytes ): string {
	return rtrim( strtr( base64_encode( $bytes ), '+/', '-_' ), '=' ); // phpcs:ignore WordPress.PHP.DiscouragedPHPFunctions
}

/**
 * Where this admin's verifier is kept: bound to the account and to this very log-in. A link with a
 * stranger's claim that is slipped to the admin finds no verifier for it, so nobody
 * can lead this shop's money into their own Stripe account.
 *
 * @return string
 */
function verifier_name(): string {
	return 'cognitive_cart_v_' . hash( 'sha256', get_current_user_id() . '|' . wp_get_session_token() );
}

/**
 * The admin page's address, with a message to show there.
 *
 * @param array $args Query parameters.
 * @return string
 */
function page_url( array $args = array() ): string {
	return add_query_arg( array_map( 'rawurlencode', $args ), admin_url( 'admin.php?page=' . PAGE ) );
}

/**
 * Back to the page with a code. What the Worker said beyond it waits for this admin alone.
 *
 * @param string|WP_Error $outcome A code, or an error that carries one.
 */
function back_to_page( $outcome ): void {
	if ( is_wp_error( $outcome ) ) {
		$data = (array) $outcome->get_error_data();
		$saw  = $data['error']['saw'] ?? null;
		set_transient(
			'cognitive_cart_said_' . get_current_user_id(),
			$outcome->get_error_message() . ( $saw ? ' ' . wp_json_encode( $saw ) : '' ),
			MINUTE_IN_SECONDS
		);
		$outcome = $outcome->get_error_code();
	}
	delete_transient( 'cognitive_cart_manifest' );
	wp_safe_redirect( page_url( array( 'cc_said' => $outcome ) ) );
	exit;
}

/**
 * Stops everyone but an admin who pressed a button on our page.
 *
 * @param string $action Name of the nonce.
 */
function only_admins( string $action ): void {
	if ( ! current_user_can( 'manage_options' ) ) {
		wp_die( esc_html__( 'You may not do this.', 'cognitive-cart' ), '', array( 'response' => 403 ) );
	}
	check_admin_referer( $action );
}

/**
 * Connect was pressed: register if need be, start, and send the admin to the Worker's consent page.
 */
function on_connect(): void {
	only_admins( 'cognitive_cart_connect' );
	$mode = 'live' === ( $_POST['mode'] ?? '' ) ? 'live' : 'test';
	update_option( MODE, $mode, false );

	$registered = register();
	if ( is_wp_error( $registered ) ) {
		back_to_page( $registered );
	}
	$verifier = base64url( random_bytes( 32 ) );
	set_transient( verifier_name(), $verifier, 30 * MINUTE_IN_SECONDS );

	$start  = array(
		// The nonce makes sure that this admin asked for a way back at all.
		'return_url'         => page_url( array( 'cc_nonce' => wp_create_nonce( 'cognitive_cart_return' ) ) ),
		'mode'               => $mode,
		'verifier_challenge' => base64url( hash( 'sha256', $verifier, true ) ),
		'replace'            => ! empty( $_POST['replace'] ),
	);
	$ticket = call( 'POST', '/v1/connect/start', $start );
	if ( is_wp_error( $ticket ) ) {
		back_to_page( $ticket );
	}
	// Only ever to the Worker itself. (wp_safe_redirect knows this site's host alone.)
	if ( 0 !== strpos( (string) $ticket['url'], worker_url() . '/' ) ) {
		back_to_page( 'unexpected_answer' );
	}
	wp_redirect( $ticket['url'] ); // phpcs:ignore WordPress.Security.SafeRedirect
	exit;
}

/**
 * Disconnect was pressed.
 */
function on_disconnect(): void {
	only_admins( 'cognitive_cart_disconnect' );
	$mode  = 'live' === ( $_POST['mode'] ?? '' ) ? 'live' : 'test';
	$ended = call( 'DELETE', '/v1/connection?mode=' . $mode, null, array(), true );
	back_to_page( is_wp_error( $ended ) ? $ended : 'disconnected' );
}

/**
 * Before the page is drawn: the way back from Stripe. Confirming happens once, and the claim then leaves the address bar.
 */
function on_return(): void {
	$query = wp_unslash( $_GET ); // phpcs:ignore WordPress.Security.NonceVerification
	$state = is_string( $query['cc_connect'] ?? null ) ? $query['cc_connect'] : '';
	if ( '' === $state ) {
		return;
	}
	if ( ! current_user_can( 'manage_options' ) || ! wp_verify_nonce( (string) ( $query['cc_nonce'] ?? '' ), 'cognitive_cart_return' ) ) {
		back_to_page( 'return_not_yours' );
	}
	if ( 'pending' !== $state ) {
		back_to_page( 'denied' === $state ? 'denied' : sanitize_key( $query['cc_code'] ?? '' ) );
	}
	$verifier = get_transient( verifier_name() );
	if ( ! is_string( $verifier ) ) {
		back_to_page( 'verifier_missing' );
	}
	// The same claim and verifier may be confirmed again, so a lost answer is simply asked for once more.
	$confirmed = call(
		'POST',
		'/v1/connect/confirm',
		array(
			'claim'    => is_string( $query['cc_claim'] ?? null ) ? $query['cc_claim'] : '',
			'verifier' => $verifier,
		),
		array(),
		true
	);
	// After a lost answer the verifier stays: reloading this address may still succeed.
	if ( ! is_wp_error( $confirmed ) || 422 === $confirmed->get_error_data()['status'] ) {
		delete_transient( verifier_name() );
	}
	back_to_page( is_wp_error( $confirmed ) ? $confirmed : 'connected' );
}

/**
 * The page itself.
 */
function draw_page(): void {
	$query = wp_unslash( $_GET ); // phpcs:ignore WordPress.Security.NonceVerification
	$code  = sanitize_key( is_string( $query['cc_said'] ?? null ) ? $query['cc_said'] : '' );
	echo '<div class="wrap"><h1>' . esc_html__( 'Connectivity', 'cognitive-cart' ) . '</h1>';
	if ( '' !== $code ) {
		$name = 'cognitive_cart_said_' . get_current_user_id();
		$said = get_transient( $name );
		delete_transient( $name );
		$good = in_array( $code, array( 'connected', 'disconnected' ), true );
		printf(
			'<div class="notice notice-%s" role="status"><p>%s</p>%s</div>',
			$good ? 'success' : 'error',
			esc_html( explain( $code ) ),
			$said ? '<p><small>' . esc_html( $said ) . ' (' . esc_html( $code ) . ')</small></p>' : ''
		);
	}
	echo '<p>' . esc_html__( 'Worker:', 'cognitive-cart' ) . ' <code>' . esc_html( worker_url() ? worker_url() : '-' ) . '</code></p>';

	foreach ( array( 'test', 'live' ) as $mode ) {
		$now = shop() ? call( 'GET', '/v1/connection?mode=' . $mode ) : array( 'connected' => false );
		echo '<h2>' . ( 'test' === $mode ? esc_html__( 'Test mode', 'cognitive-cart' ) : esc_html__( 'Live mode', 'cognitive-cart' ) ) . '</h2>';
		if ( is_wp_error( $now ) ) {
			echo '<p>' . esc_html( explain( $now->get_error_code() ) . ' ' . $now->get_error_message() ) . '</p>';
			$now = array( 'connected' => false );
		}
		if ( $now['connected'] ) {
			echo '<p><strong>' . esc_html__( 'Connected to', 'cognitive-cart' ) . ' <code>' . esc_html( $now['account'] ) . '</code></strong>';
			if ( empty( $now['charges_enabled'] ) ) {
				echo ' ' . esc_html__( 'Stripe does not let this account take payments yet: finish its set-up in the Stripe Dashboard.', 'cognitive-cart' );
			}
			echo '</p>';
		} else {
			echo '<p>' . esc_html__( 'Not connected.', 'cognitive-cart' ) . '</p>';
			if ( ! empty( $now['gone_reason'] ) ) {
				echo '<p>' . esc_html( explain( 'connection_gone' ) ) . '</p>';
			}
		}
		$action = $now['connected'] ? 'disconnect' : 'connect';
		echo '<form method="post" action="' . esc_url( admin_url( 'admin-post.php' ) ) . '">';
		echo '<input type="hidden" name="action" value="cognitive_cart_' . esc_attr( $action ) . '">';
		echo '<input type="hidden" name="mode" value="' . esc_attr( $mode ) . '">';
		wp_nonce_field( 'cognitive_cart_' . $action );
		if ( 'connect' === $action ) {
			echo '<p><label><input type="checkbox" name="replace" value="1"> ' . esc_html__( 'Replace an account that is already connected', 'cognitive-cart' ) . '</label></p>';
		}
		echo '<p><button class="button button-primary">' . ( 'connect' === $action ? esc_html__( 'Connect Stripe', 'cognitive-cart' ) : esc_html__( 'Disconnect', 'cognitive-cart' ) ) . '</button></p></form>';
	}
	echo '</div>';
}

/*
 * ---------------------------------------------------------------------------
 * The shop's own prices. With WooCommerce they are WooCommerce's; without it, two filters name
 * products and cart, so that this file also works in a shop of another make.
 *
 * An order as the rest of this file sees it (amounts in minor units):
 * array( id, currency, items[ product_id, name, quantity, amount_total ], shipping[], fees[], taxes[], discounts[], total )
 * ---------------------------------------------------------------------------
 */

/**
 * Is WooCommerce here?
 *
 * @return bool
 */
function has_woo(): bool {
	return function_exists( 'wc_get_order' );
}

/**
 * A problem that the caller can do something about.
 *
 * @param string $code    Ours.
 * @param string $message For a person.
 * @param int    $status  HTTP status.
 * @return WP_Error
 */
function refuse( string $code, string $message, int $status = 422 ): WP_Error {
	return new WP_Error( $code, $message, array( 'status' => $status ) );
}

/**
 * Decides what an agent asked for: product and quantity of each line, and nothing else. Names and
 * amounts that it sends are dropped here, so that no later code can come to use them.
 *
 * @param mixed $body Decoded JSON.
 * @return array|WP_Error Lines: product_id, quantity.
 */
function agent_lines( $body ) {
	$lines = is_array( $body ) ? ( $body['line_items'] ?? null ) : null;
	if ( ! is_array( $lines ) || array() === $lines || count( $lines ) > 90 ) { // 100 at Stripe; shipping and tax need room.
		return refuse( 'line_items_invalid', 'line_items must have 1 to 90 lines.' );
	}
	$wanted = array();
	foreach ( array_values( $lines ) as $at => $line ) {
		$id       = is_array( $line ) ? ( $line['variation_id'] ?? $line['product_id'] ?? null ) : null;
		$quantity = is_array( $line ) ? ( $line['quantity'] ?? 1 ) : null;
		if ( ! ( is_int( $id ) || ( is_string( $id ) && preg_match( '/^[A-Za-z0-9_-]{1,64}$/D', $id ) ) ) ) {
			return refuse( 'product_id_missing', "line_items[$at][product_id] must name a product of this shop: prices are looked up, never taken." );
		}
		if ( ! is_int( $quantity ) || $quantity < 1 || $quantity > 9999 ) {
			return refuse( 'quantity_invalid', "line_items[$at][quantity] must be a whole number from 1 to 9999." );
		}
		$wanted[] = array(
			'product_id' => (string) $id,
			'quantity'   => $quantity,
		);
	}
	return $wanted;
}

/**
 * Decides the source to book a sale under.
 *
 * @param mixed $name What the agent calls itself.
 * @return string
 */
function agent_source( $name ): string {
	$name = is_string( $name ) ? preg_replace( '/^agent:/', '', $name ) : '';
	$name = trim( (string) preg_replace( '/[^A-Za-z0-9 ._-]+/', '', $name ) );
	return '' === $name || 'agent' === $name ? 'agent' : 'agent:' . substr( $name, 0, 64 );
}

/**
 * Makes an order of lines with a product and a quantity, at this shop's prices of this moment.
 *
 * @param array $lines Lines: product_id, quantity.
 * @return string|WP_Error The order's id.
 */
function order_from_lines( array $lines ) {
	return has_woo() ? woo_order_from_lines( $lines ) : plain_order_from_lines( $lines );
}

/**
 * The same, in WooCommerce.
 *
 * @param array $lines Lines: product_id, quantity.
 * @return string|WP_Error
 */
function woo_order_from_lines( array $lines ) {
	$found = array();
	foreach ( $lines as $line ) {
		$product = wc_get_product( $line['product_id'] );
		// A draft, a private product or a variable product without a chosen variation has no price for a stranger.
		if ( ! $product || ! $product->is_purchasable() || $product->is_type( 'variable' ) ) {
			return refuse( 'product_unknown', "Product {$line['product_id']} is not for sale here." );
		}
		if ( ! $product->is_in_stock() || ! $product->has_enough_stock( $line['quantity'] ) ) {
			return refuse( 'out_of_stock', "Product {$line['product_id']} is not in stock in this quantity." );
		}
		$found[] = array( $product, $line['quantity'] );
	}
	$order = wc_create_order( array( 'created_via' => 'cognitive-cart' ) );
	if ( is_wp_error( $order ) ) {
		return $order;
	}
	foreach ( $found as list( $product, $quantity ) ) {
		$order->add_product( $product, $quantity ); // At our price: the agent's went with the rest of its line.
	}
	$order->calculate_totals();
	return (string) $order->get_id();
}

/**
 * The same, with prices from the filter cognitive_cart_product: array( name, price ) with a decimal string.
 *
 * @param array $lines Lines: product_id, quantity.
 * @return string|WP_Error
 */
function plain_order_from_lines( array $lines ) {
	$currency = strtolower( (string) apply_filters( 'cognitive_cart_currency', 'usd' ) );
	$items    = array();
	$total    = 0;
	foreach ( $lines as $line ) {
		$product = apply_filters( 'cognitive_cart_product', null, $line['product_id'] );
		if ( ! is_array( $product ) ) {
			return refuse( 'product_unknown', "Product {$line['product_id']} is not for sale here." );
		}
		$amount  = minor_units( (string) $product['price'], $currency ) * $line['quantity'];
		$total  += $amount;
		$items[] = array(
			'product_id'   => $line['product_id'],
			'name'         => (string) $product['name'],
			'quantity'     => $line['quantity'],
			'amount_total' => $amount,
		);
	}
	$order = array(
		'id'        => 'cc' . bin2hex( random_bytes( 8 ) ),
		'currency'  => $currency,
		'items'     => $items,
		'shipping'  => array(),
		'fees'      => array(),
		'taxes'     => array(),
		'discounts' => array(),
		'total'     => $total,
	);
	update_option( 'cognitive_cart_order_' . $order['id'], $order, false );
	return $order['id'];
}

/**
 * Makes (or finds again) the order of this visitor's cart.
 *
 * @return string|WP_Error The order's id.
 */
function order_from_cart() {
	if ( ! has_woo() ) {
		// Lines with product_id and quantity: whatever a browser holds, prices come from the shop here too.
		$lines = apply_filters( 'cognitive_cart_cart', array() );
		return $lines ? plain_order_from_lines( $lines ) : refuse( 'cart_empty', 'The cart is empty.' );
	}
	wc_load_cart(); // REST requests come without the visitor's cart.
	if ( WC()->cart->is_empty() ) {
		return refuse( 'cart_empty', 'The cart is empty.' );
	}
	if ( ! WC()->cart->check_cart_items() ) {
		return refuse( 'cart_changed', 'Something in the cart is not available any more. Look at the cart.' );
	}
	WC()->cart->calculate_totals();
	$id = WC()->checkout()->create_order( array( 'payment_method' => 'cognitive_cart' ) );
	if ( is_wp_error( $id ) ) {
		return $id;
	}
	// WooCommerce's own way to find the order again when the visitor presses twice with the same cart.
	WC()->session->set( 'order_awaiting_payment', $id );
	return (string) $id;
}

/**
 * An order as this file sees it.
 *
 * @param string $id Order id.
 * @throws InvalidArgumentException When its amounts cannot be charged.
 * @return array|null
 */
function read_order( string $id ): ?array {
	if ( ! has_woo() ) {
		$order = get_option( 'cognitive_cart_order_' . $id );
		return is_array( $order ) ? $order : null;
	}
	$order = wc_get_order( $id );
	if ( ! $order ) {
		return null;
	}
	$currency = strtolower( $order->get_currency() );
	// Parts may carry more digits than can be charged (a coupon split over three lines); the total may not.
	$part = static fn( $value ) => minor_units( ltrim( wc_format_decimal( $value, 6 ), '-' ), $currency, true );
	$seen = array(
		'id'        => (string) $order->get_id(),
		'currency'  => $currency,
		'items'     => array(),
		'shipping'  => array(),
		'fees'      => array(),
		'taxes'     => array(),
		'discounts' => array(),
		'total'     => minor_units( wc_format_decimal( $order->get_total(), 6 ), $currency ),
	);
	$sums = array();
	foreach ( $order->get_items() as $item ) {
		$product         = $item->get_product();
		$sums[]          = $part( $item->get_total() ); // Coupons are already taken off this.
		$seen['items'][] = array(
			'product_id'   => (string) ( $item->get_variation_id() ? $item->get_variation_id() : $item->get_product_id() ),
			'name'         => $item->get_name(),
			'quantity'     => (int) $item->get_quantity(),
			'amount_total' => end( $sums ),
		) + ( $product && $product->get_sku() ? array( 'sku' => $product->get_sku() ) : array() );
	}
	$shipping = $part( $order->get_shipping_total() );
	if ( $shipping > 0 ) {
		$sums[]           = $shipping;
		$seen['shipping'] = array( array( 'label' => (string) $order->get_shipping_method(), 'amount' => $shipping ) );
	}
	foreach ( $order->get_items( 'fee' ) as $fee ) {
		$minus            = 0 === strpos( (string) $fee->get_total(), '-' ); // A negative fee is a discount.
		$amount           = $part( $fee->get_total() );
		$kind             = $minus ? 'discounts' : 'fees';
		$sums[]           = $minus ? -$amount : $amount;
		$seen[ $kind ][]  = array( 'label' => $fee->get_name(), 'amount' => $amount );
	}
	list( $sent, $usable ) = currency_digits( $currency );

	$rest = tax_and_pennies( $seen['total'], $sums, $part( $order->get_total_tax() ), 10 ** ( $sent - $usable ) );
	if ( $rest > 0 ) {
		$seen['taxes'][] = array( 'label' => 'Tax', 'amount' => $rest );
	} elseif ( $rest < 0 ) {
		$seen['discounts'][] = array( 'label' => 'Rounding', 'amount' => -$rest );
	}
	return $seen;
}

/**
 * What we know of an order's payment: transactions we began, amount, currency, mode, the attempt under way.
 *
 * @param string $id Order id.
 * @return array
 */
function read_payment( string $id ): array {
	if ( has_woo() ) {
		$order = wc_get_order( $id );
		$kept  = $order ? $order->get_meta( '_cognitive_cart' ) : null;
	} else {
		wp_cache_delete( 'cognitive_cart_payment_' . $id, 'options' ); // Another process may have written since.
		$kept = get_option( 'cognitive_cart_payment_' . $id );
	}
	return is_array( $kept ) ? $kept : array();
}

/**
 * Keeps it.
 *
 * @param string $id      Order id.
 * @param array  $payment As read_payment() returns it.
 */
function keep_payment( string $id, array $payment ): void {
	if ( has_woo() ) {
		$order = wc_get_order( $id );
		$order->update_meta_data( '_cognitive_cart', $payment );
		$order->save();
	} else {
		update_option( 'cognitive_cart_payment_' . $id, $payment, false );
	}
}

/*
 * ---------------------------------------------------------------------------
 * A session: one order, one attempt, one key.
 * ---------------------------------------------------------------------------
 */

/**
 * Decides the body of POST /v1/checkout/sessions.
 *
 * @param array  $order  As read_order() returns it.
 * @param string $source 'chat', 'site' or 'agent:…'.
 * @param string $mode   'live' or 'test'.
 * @param string $home   The shop's own address, with a slash at its end.
 * @return array
 */
function session_body( array $order, string $source, string $mode, string $home ): array {
	$urls = array(
		'success_url' => $home . '?cognitive-cart=complete',
		'cancel_url'  => $home . '?cognitive-cart=canceled',
		'expires_in'  => SESSION_LIFE,
		'mode'        => $mode,
	);
	if ( 0 !== strpos( $source, 'agent' ) ) {
		return array(
			'source' => $source,
			'cart'   => array(
				'id'        => $order['id'],
				'order_id'  => $order['id'],
				'currency'  => $order['currency'],
				'items'     => $order['items'],
				'shipping'  => $order['shipping'],
				'fees'      => $order['fees'],
				'taxes'     => $order['taxes'],
				'discounts' => $order['discounts'],
				'total'     => $order['total'],
			),
		) + $urls;
	}
	// Line items know no other parts: what costs is a line of its own, what is taken off comes off the lines.
	$lines = $order['items'];
	foreach ( array_merge( $order['shipping'], $order['fees'], $order['taxes'] ) as $extra ) {
		$lines[] = array(
			'name'         => $extra['label'],
			'quantity'     => 1,
			'amount_total' => $extra['amount'],
		);
	}
	$off = array_sum( array_column( $order['discounts'], 'amount' ) );
	foreach ( $lines as $at => $line ) {
		$taken                         = min( $off, $line['amount_total'] );
		$lines[ $at ]['amount_total'] -= $taken;
		$off                          -= $taken;
	}
	return array(
		'source'       => $source,
		'order_id'     => $order['id'],
		'currency'     => $order['currency'],
		'line_items'   => $lines,
		'amount_total' => $order['total'],
	) + $urls;
}

/**
 * Decides whether the attempt that was begun goes on, or a new one starts with a new key. The same key
 * for the same request: a lost answer is asked for again, and can never become a second session.
 *
 * @param array|null $attempt     As it was kept: key, fingerprint, begun.
 * @param string     $fingerprint Of the body that is to be sent.
 * @param int        $now         Unix time.
 * @param string     $new_key     Used for a new one.
 * @return array
 */
function attempt( ?array $attempt, string $fingerprint, int $now, string $new_key ): array {
	$same = $attempt && $attempt['fingerprint'] === $fingerprint && $attempt['begun'] > $now - ATTEMPT_LIFE;
	return $same ? $attempt : array(
		'key'         => $new_key,
		'fingerprint' => $fingerprint,
		'begun'       => $now,
	);
}

/**
 * Asks the Worker for a session for this order.
 *
 * @param string $id     Order id.
 * @param string $source 'chat' or 'agent:…'.
 * @return array|WP_Error The session.
 */
function create_session( string $id, string $source ) {
	return with_lock(
		'order_' . $id,
		static function () use ( $id, $source ) {
			$payment = read_payment( $id );
			if ( ! empty( $payment['paid_at'] ) ) {
				return refuse( 'order_already_paid', 'This order is paid.', 409 );
			}
			$order = read_order( $id );
			if ( null === $order ) {
				return refuse( 'order_unknown', 'There is no such order.', 404 );
			}
			// Filter: add shipping countries to collect, a locale, metadata. Amounts are compared again below.
			$body    = apply_filters( 'cognitive_cart_session_body', session_body( $order, $source, mode(), home_url( '/' ) ), $id );
			$attempt = attempt( $payment['attempt'] ?? null, hash( 'sha256', wp_json_encode( $body ) ), time(), wp_generate_uuid4() );

			// Stored before the first call: if we die in the middle, whoever tries next sends the same key.
			$payment = array(
				'total'    => $order['total'],
				'currency' => $order['currency'],
				'livemode' => 'live' === mode(),
				'attempt'  => $attempt,
			) + $payment + array( 'transactions' => array() );
			keep_payment( $id, $payment );

			$session = call( 'POST', '/v1/checkout/sessions', $body, array( 'Idempotency-Key' => $attempt['key'] ), true );
			if ( is_wp_error( $session ) ) {
				$status = $session->get_error_data()['status'];
				if ( $status >= 400 && $status < 500 && 409 !== $status && 429 !== $status ) {
					$payment['attempt'] = null; // A clear no ends the attempt. What is unclear keeps its key.
					keep_payment( $id, $payment );
				}
				return $session;
			}
			// A session over anything else than our order would be refused on its way home: do not sell it.
			if ( $session['amount_total'] !== $order['total'] || $session['currency'] !== $order['currency'] || $session['livemode'] !== $payment['livemode'] ) {
				return refuse( 'session_differs', 'The session is not what was ordered.', 502 );
			}
			$payment['transactions'] = array_values( array_unique( array_merge( $payment['transactions'], array( $session['transaction'] ) ) ) );
			keep_payment( $id, $payment );
			// The buyer may pay and never come back.
			look_later( $id, 1 );
			return $session;
		}
	);
}

/**
 * Makes the order and the session, and answers the REST request.
 *
 * @param callable $make_order Returns an order id or an error.
 * @param string   $source     For the ledger.
 */
function sell( callable $make_order, string $source ) {
	try {
		$id      = $make_order();
		$session = is_wp_error( $id ) ? $id : create_session( $id, $source );
	} catch ( InvalidArgumentException $problem ) {
		return refuse( 'amount_invalid', $problem->getMessage() );
	}
	if ( is_wp_error( $session ) ) {
		// The outside learns what it can act on; the Worker's own words may name our set-up.
		$status = (int) ( $session->get_error_data()['status'] ?? 0 );
		return in_array( $status, array( 400, 404, 409, 422 ), true ) ? refuse( $session->get_error_code(), $session->get_error_message(), $status )
			: refuse( 'checkout_unavailable', 'Checkout is not available right now. Try again in a minute.', 503 );
	}
	$answer = rest_ensure_response(
		array(
			'id'           => $session['id'],
			'url'          => $session['url'],
			'order_id'     => $id,
			'amount_total' => $session['amount_total'],
			'currency'     => $session['currency'],
			'livemode'     => $session['livemode'],
			'expires_at'   => $session['expires_at'],
			'line_items'   => read_order( $id )['items'], // So that an agent sees the prices that hold.
		)
	);
	$answer->set_status( 201 );
	$answer->header( 'Cache-Control', 'no-store' );
	return $answer;
}

/**
 * POST /wp-json/cognitive-cart/v1/checkout/get-url: the visitor's own cart (chat).
 */
function sell_to_visitor() {
	return sell( __NAMESPACE__ . '\order_from_cart', 'chat' );
}

/**
 * POST /wp-json/cognitive-cart/v1/checkout/create-session: an agent's line items.
 *
 * Its success_url and cancel_url are not used: the buyer has to come home to us first, where
 * the payment is checked, and a foreign address would make this an open redirect.
 *
 * @param \WP_REST_Request $request The request.
 */
function sell_to_agent( $request ) {
	$address = (string) ( $_SERVER['REMOTE_ADDR'] ?? '' ); // Behind a proxy let the web server set this; never read X-Forwarded-For here.
	if ( too_many( 'all', 300 ) || too_many( network( $address ), 30 ) ) {
		return refuse( 'too_many_requests', 'Too many checkouts. Try again in a few minutes.', 429 );
	}
	$body  = $request->get_json_params();
	$lines = agent_lines( $body );
	if ( is_wp_error( $lines ) ) {
		return $lines;
	}
	$source = agent_source( $body['source'] ?? $body['agent'] ?? '' );
	$key    = (string) $request->get_header( 'idempotency-key' );
	$make   = static fn() => order_from_lines( $lines );
	if ( '' !== $key ) {
		// An agent that asks again gets its order again, not a second one.
		$name = 'cognitive_cart_a_' . hash( 'sha256', wp_json_encode( array( $key, $source, $lines ) ) );
		$make = static function () use ( $name, $lines ) {
			$order = get_transient( $name );
			if ( ! is_string( $order ) ) {
				$order = order_from_lines( $lines );
				if ( ! is_wp_error( $order ) ) {
					set_transient( $name, $order, ATTEMPT_LIFE );
				}
			}
			return $order;
		};
	}
	return sell( $make, $source );
}

/**
 * Decides whose requests are counted together: an IPv4 address, or the /64 that one IPv6 customer holds.
 *
 * @param string $address Textual address.
 * @return string
 */
function network( string $address ): string {
	$bytes = inet_pton( '' === $address ? '0.0.0.0' : $address );
	return bin2hex( 16 === strlen( (string) $bytes ) ? substr( $bytes, 0, 8 ) : (string) $bytes );
}

/**
 * Counts requests in five-minute windows. Every order that a stranger starts is a row in our database.
 * A transient is not exact under load; it is a fence. The wall is the web server's own limit.
 *
 * @param string $who   Counted together.
 * @param int    $limit Per window.
 * @return bool
 */
function too_many( string $who, int $limit ): bool {
	$limit = (int) apply_filters( 'cognitive_cart_limit', $limit, $who );
	$name  = 'cognitive_cart_n_' . md5( $who . '|' . intdiv( time(), 300 ) );
	$count = (int) get_transient( $name );
	if ( $count >= $limit ) {
		return true;
	}
	set_transient( $name, $count + 1, 300 );
	return false;
}

/*
 * ---------------------------------------------------------------------------
 * The way home. The buyer's browser carries the news, so the news is signed.
 * ---------------------------------------------------------------------------
 */

/**
 * Decides the signature of a completion.
 *
 * @param array  $query  The parameters, as strings.
 * @param string $secret 'whsec_…': what follows is base64 of the key.
 * @return string Hex.
 */
function completion_signature( array $query, string $secret ): string {
	$signed = array();
	foreach ( array( 't', 'transaction', 'session_id', 'order_id', 'status', 'amount_total', 'currency', 'livemode' ) as $name ) {
		$signed[] = $query[ $name ] ?? '';
	}
	$key = base64_decode( substr( $secret, strlen( 'whsec_' ) ), true ); // phpcs:ignore WordPress.PHP.DiscouragedPHPFunctions
	return hash_hmac( 'sha256', implode( '.', $signed ), (string) $key );
}

/**
 * Decides whether a completion is genuine and of today.
 *
 * @param array  $query  Parameters as they came: anything.
 * @param string $secret The signing secret.
 * @param int    $now    Unix time.
 * @return string 'ok', 'malformed', 'bad_signature' or 'stale'.
 */
function check_completion( array $query, string $secret, int $now ): string {
	foreach ( array( 't', 'transaction', 'session_id', 'order_id', 'status', 'amount_total', 'currency', 'livemode', 'signature' ) as $name ) {
		if ( ! is_string( $query[ $name ] ?? null ) ) { // ?t[]=1 is an array in PHP.
			return 'malformed';
		}
	}
	// An empty key would make everyone's signature right.
	if ( 1 !== preg_match( '/^whsec_[A-Za-z0-9+\/]{32,}={0,2}$/D', $secret ) ) {
		return 'bad_signature';
	}
	if ( ! hash_equals( completion_signature( $query, $secret ), $query['signature'] ) ) {
		return 'bad_signature';
	}
	if ( ! preg_match( '/^\d{1,11}$/D', $query['t'] ) || abs( $now - (int) $query['t'] ) > FRESH ) {
		return 'stale';
	}
	return 'ok';
}

/**
 * Decides whether a payment is the one that this order asked for. A genuine payment of
 * one dollar, or of test money, must not settle a real order of two thousand.
 *
 * @param array $paid    transaction, amount_total (int), currency, livemode (bool).
 * @param array $payment What was kept when the session was made.
 * @return string 'ok' or what differs.
 */
function compare_payment( array $paid, array $payment ): string {
	if ( ! in_array( $paid['transaction'], $payment['transactions'] ?? array(), true ) ) {
		return 'other_order';
	}
	if ( $paid['amount_total'] !== $payment['total'] ) {
		return 'other_amount';
	}
	if ( $paid['currency'] !== $payment['currency'] ) {
		return 'other_currency';
	}
	return $paid['livemode'] === $payment['livemode'] ? 'ok' : 'other_mode';
}

/**
 * Records what became of an order's payment. Whether the browser, the look-up or both bring the news, and
 * however often: the order is completed once.
 *
 * @param string $id     Order id.
 * @param string $status paid, authorized, processing, unpaid, or the ledger's other words.
 * @param array  $paid   transaction, amount_total, currency, livemode.
 * @return string|WP_Error 'paid', 'waiting', 'unpaid' or what differs.
 */
function settle( string $id, string $status, array $paid ) {
	return with_lock(
		'order_' . $id,
		static function () use ( $id, $status, $paid ) {
			$payment = read_payment( $id );
			$verdict = compare_payment( $paid, $payment );
			if ( 'ok' !== $verdict ) {
				return $verdict;
			}
			if ( ! empty( $payment['paid_at'] ) ) {
				return 'paid';
			}
			if ( 'paid' !== $status ) {
				return in_array( $status, array( 'processing', 'authorized' ), true ) ? 'waiting' : 'unpaid';
			}
			if ( has_woo() ) {
				$order = wc_get_order( $id );
				$now   = minor_units( wc_format_decimal( $order->get_total(), 6 ), $order->get_currency() );
				if ( $now !== $payment['total'] ) {
					// Somebody edited the order while it was being paid: money is here, a person decides.
					$order->update_status( 'on-hold', 'Paid through CognitiveCart, but the total has changed since.' );
					return 'other_amount';
				}
				// get_date_paid: we may have died between completing the order and writing it down.
				if ( ! $order->get_date_paid() ) {
					$order->payment_complete( $paid['transaction'] );
				}
			} else {
				do_action( 'cognitive_cart_payment_complete', $id, $paid['transaction'] );
			}
			$payment['paid_at'] = time();
			keep_payment( $id, $payment );
			return 'paid';
		}
	);
}

/**
 * The same by a transaction of the ledger, as a notice or a look-up brings it.
 *
 * @param string $id  Order id.
 * @param array  $row The transaction.
 * @return string|WP_Error As settle().
 */
function settle_transaction( string $id, array $row ) {
	$paid = array(
		'transaction'  => $row['id'],
		'amount_total' => $row['amount'],
		'currency'     => $row['currency'],
		'livemode'     => $row['livemode'],
	);
	return settle( $id, $row['status'], $paid );
}

/**
 * Decides whether a notice is genuine and of today, by the Standard Webhooks scheme. The bytes
 * are signed, not what they mean: JSON that was read and written again is other bytes.
 *
 * @param array  $headers id, timestamp and signature, as strings.
 * @param string $body    As it came.
 * @param string $secret  The signing secret.
 * @param int    $now     Unix time.
 * @return string 'ok', 'bad_signature' or 'stale'.
 */
function check_notice( array $headers, string $body, string $secret, int $now ): string {
	if ( 1 !== preg_match( '/^whsec_[A-Za-z0-9+\/]{32,}={0,2}$/D', $secret ) ) {
		return 'bad_signature';
	}
	$key  = base64_decode( substr( $secret, strlen( 'whsec_' ) ), true ); // phpcs:ignore WordPress.PHP.DiscouragedPHPFunctions
	$mine = 'v1,' . base64_encode( hash_hmac( 'sha256', $headers['id'] . '.' . $headers['timestamp'] . '.' . $body, (string) $key, true ) ); // phpcs:ignore WordPress.PHP.DiscouragedPHPFunctions
	$good = false;
	foreach ( explode( ' ', $headers['signature'] ) as $one ) { // Two while the secret is rolled.
		$good = hash_equals( $mine, $one ) || $good;
	}
	if ( ! $good ) {
		return 'bad_signature';
	}
	// An old one may have been overheard, and is played again.
	return preg_match( '/^\d{1,11}$/D', $headers['timestamp'] ) && abs( $now - (int) $headers['timestamp'] ) <= FRESH ? 'ok' : 'stale';
}

/**
 * POST /wp-json/cognitive-cart/v1/notices: the Worker tells, whether the buyer comes back or not. The same
 * notice may come again and in any order; settle() lets an order be completed once.
 *
 * @param \WP_REST_Request $request The request.
 */
function take_notice( $request ) {
	$headers = array();
	foreach ( array( 'id', 'timestamp', 'signature' ) as $name ) {
		$headers[ $name ] = (string) $request->get_header( 'webhook-' . $name );
	}
	$shop    = shop();
	$verdict = check_notice( $headers, $request->get_body(), $shop['signing_secret'] ?? '', time() );
	if ( 'ok' !== $verdict ) {
		return refuse( $verdict, 'This notice could not be verified.', 401 );
	}
	$notice = json_decode( $request->get_body(), true );
	$row    = $notice['data']['object'] ?? array();
	if ( 'transaction' === ( $row['object'] ?? '' ) && is_string( $row['order_id'] ?? null ) ) {
		$settled = settle_transaction( $row['order_id'], $row );
		if ( is_wp_error( $settled ) ) {
			return refuse( 'busy', 'The order is being worked on. Send it again.', 503 ); // Not 2xx: the Worker comes again in a minute.
		}
	}
	if ( str_starts_with( (string) ( $notice['type'] ?? '' ), 'connection.' ) ) {
		delete_transient( 'cognitive_cart_manifest' ); // Agents are told at once that there is, or is no longer, a checkout.
	}
	return rest_ensure_response( array( 'received' => true ) );
}

/**
 * The buyer is back: /?cognitive-cart=complete&… or =canceled.
 */
function on_buyer_back(): void {
	$query = wp_unslash( $_GET ); // phpcs:ignore WordPress.Security.NonceVerification
	$what  = $query['cognitive-cart'] ?? '';
	if ( 'canceled' === $what ) {
		// Not signed and not believed: it changes nothing. The cart is as it was.
		wp_safe_redirect( has_woo() ? wc_get_cart_url() : home_url( '/' ) );
		exit;
	}
	if ( 'complete' !== $what ) {
		return;
	}
	nocache_headers();
	$shop    = shop();
	$verdict = check_completion( $query, $shop['signing_secret'] ?? '', time() );
	if ( 'ok' === $verdict ) {
		$paid = array(
			'transaction'  => $query['transaction'],
			'amount_total' => (int) $query['amount_total'],
			'currency'     => $query['currency'],
			'livemode'     => 'true' === $query['livemode'],
		);
		for ( $tries = 0; $tries < 10; $tries++ ) {
			$verdict = settle( $query['order_id'], $query['status'], $paid );
			if ( ! is_wp_error( $verdict ) ) {
				break;
			}
			usleep( 200000 ); // Busy: the notice of this very payment is being taken.
		}
		$verdict = is_wp_error( $verdict ) ? 'waiting' : $verdict; // Still busy: notice or look-up has it in hand.
	}
	if ( 'waiting' === $verdict ) {
		look_later( $query['order_id'], 1 );
	}
	if ( 'paid' === $verdict && has_woo() ) {
		if ( WC()->cart ) {
			WC()->cart->empty_cart();
		}
		wp_safe_redirect( wc_get_order( $query['order_id'] )->get_checkout_order_received_url() );
		exit;
	}
	$pages = array(
		'paid'    => array( 200, __( 'Thank you. Your payment has arrived.', 'cognitive-cart' ) ),
		'waiting' => array( 200, __( 'Thank you. We are waiting for your bank, and your order is complete as soon as it answers.', 'cognitive-cart' ) ),
		'unpaid'  => array( 200, __( 'This order is not paid yet.', 'cognitive-cart' ) ),
		'stale'   => array( 410, __( 'This link is too old. If you have paid, your order is complete without it.', 'cognitive-cart' ) ),
	);
	list( $status, $text ) = $pages[ $verdict ] ?? array( 400, __( 'This link could not be verified. If you have paid, your order is complete without it.', 'cognitive-cart' ) );
	wp_die( esc_html( $text ), esc_html__( 'Your order', 'cognitive-cart' ), array( 'response' => (int) $status ) );
}

/**
 * Asks later what became of an order, less and less often.
 *
 * @param string $id    Order id.
 * @param int    $round From 1.
 */
function look_later( string $id, int $round ): void {
	$minutes = array( 1 => 3, 15, 60, 180, 1440, 2880, 4320 );
	if ( isset( $minutes[ $round ] ) && ! wp_next_scheduled( 'cognitive_cart_look', array( $id, $round ) ) ) {
		wp_schedule_single_event( time() + $minutes[ $round ] * MINUTE_IN_SECONDS, 'cognitive_cart_look', array( $id, $round ) );
	}
}

/**
 * WP-Cron: asks the ledger for buyers who paid and never came back, and for banks that take days.
 *
 * @param string $id    Order id.
 * @param int    $round Which look this is.
 */
function look( string $id, int $round = 1 ): void {
	$payment = read_payment( $id );
	if ( ! empty( $payment['paid_at'] ) ) {
		return;
	}
	$over = true;
	foreach ( $payment['transactions'] ?? array() as $transaction ) {
		$row = call( 'GET', '/v1/transactions/' . rawurlencode( $transaction ), null, array(), true );
		if ( is_wp_error( $row ) ) {
			$over = false;
			continue;
		}
		settle_transaction( $id, $row );
		$over = $over && ! in_array( $row['status'], array( 'open', 'processing', 'authorized' ), true );
	}
	if ( ! $over ) {
		look_later( $id, $round + 1 );
	}
}

/*
 * ---------------------------------------------------------------------------
 * The manifest: what agents are told.
 * ---------------------------------------------------------------------------
 */

/**
 * Adds the checkout's addresses to the shop's UCP manifest; nothing while Stripe is not connected.
 *
 * @param array $manifest What the shop says already.
 * @return array
 */
function add_to_manifest( array $manifest ): array {
	$ours = get_transient( 'cognitive_cart_manifest' );
	if ( ! is_array( $ours ) ) {
		$ours = shop() ? call( 'GET', '/v1/manifest' ) : array();
		$life = MANIFEST_LIFE;
		if ( is_wp_error( $ours ) ) {
			// Discovery goes on without checkout, and a Worker that is down does not slow down every request.
			$ours = array();
			$life = 30;
		}
		set_transient( 'cognitive_cart_manifest', $ours, $life );
	}
	return array_merge( $manifest, $ours );
}

/**
 * GET /wp-json/cognitive-cart/v1/manifest.
 */
function answer_manifest() {
	return rest_ensure_response( (object) apply_filters( 'cognitive_cart_ucp_manifest', array() ) );
}

/*
 * ---------------------------------------------------------------------------
 * Where WordPress calls us.
 * ---------------------------------------------------------------------------
 */

add_action(
	'rest_api_init',
	static function () {
		$routes = array(
			'/challenge'               => array( 'GET', 'answer_challenge', '__return_true' ),
			// Open: the signature is the key.
			'/notices'                 => array( 'POST', 'take_notice', '__return_true' ),
			'/manifest'                => array( 'GET', 'answer_manifest', '__return_true' ),
			// Agents hold no key of this shop: open, limited, and repriced.
			'/checkout/create-session' => array( 'POST', 'sell_to_agent', '__return_true' ),
			// A visitor's cart: a strange page must not be able to order in their name.
			'/checkout/get-url'        => array( 'POST', 'sell_to_visitor', static fn( $request ) => (bool) wp_verify_nonce( (string) $request->get_header( 'x-wp-nonce' ), 'wp_rest' ) ),
		);
		foreach ( $routes as $path => list( $method, $answer, $may ) ) {
			register_rest_route(
				REST,
				$path,
				array(
					'methods'             => $method,
					'callback'            => __NAMESPACE__ . '\\' . $answer,
					'permission_callback' => $may,
				)
			);
		}
	}
);

add_action(
	'admin_menu',
	static function () {
		add_menu_page( 'CognitiveCart', 'CognitiveCart', 'manage_options', PAGE, __NAMESPACE__ . '\draw_page', 'dashicons-cart' );
		$hook = add_submenu_page( PAGE, 'Connectivity', 'Connectivity', 'manage_options', PAGE, __NAMESPACE__ . '\draw_page' );
		add_action( 'load-' . $hook, __NAMESPACE__ . '\on_return' );
	}
);

add_action( 'admin_post_cognitive_cart_connect', __NAMESPACE__ . '\on_connect' );
add_action( 'admin_post_cognitive_cart_disconnect', __NAMESPACE__ . '\on_disconnect' );
add_action( 'template_redirect', __NAMESPACE__ . '\on_buyer_back' );
add_action( 'cognitive_cart_look', __NAMESPACE__ . '\look', 10, 2 );
add_filter( 'cognitive_cart_ucp_manifest', __NAMESPACE__ . '\add_to_manifest' );
