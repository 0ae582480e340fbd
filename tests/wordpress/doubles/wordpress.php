<?php
/**
 * Stands for WordPress, so that the example plugin can run wherever there is a bare php:
 * the functions it calls, with the behaviour it relies on, and nothing of its own decisions.
 * What is kept lives in one locked file, because the Worker calls back while the shop waits.
 */

define( 'ABSPATH', __DIR__ . '/' );
define( 'MINUTE_IN_SECONDS', 60 );

$GLOBALS['wp_hooks']  = array();
$GLOBALS['wp_routes'] = array();
$GLOBALS['wp_menu']   = array();

class WP_Error {
	public function __construct( private $code = '', private $message = '', private $data = null ) {}
	public function get_error_code() {
		return $this->code;
	}
	public function get_error_message() {
		return $this->message;
	}
	public function get_error_data() {
		return $this->data;
	}
}

function is_wp_error( $thing ) {
	return $thing instanceof WP_Error;
}

/* Hooks. */

function add_filter( $name, $callback, $priority = 10, $args = 1 ) {
	$GLOBALS['wp_hooks'][ $name ][] = array( $callback, $args );
}
function add_action( $name, $callback, $priority = 10, $args = 1 ) {
	add_filter( $name, $callback, $priority, $args );
}
function apply_filters( $name, $value, ...$more ) {
	foreach ( $GLOBALS['wp_hooks'][ $name ] ?? array() as list( $callback, $args ) ) {
		$value = $callback( ...array_slice( array( $value, ...$more ), 0, $args ) );
	}
	return $value;
}
function do_action( $name, ...$args ) {
	foreach ( $GLOBALS['wp_hooks'][ $name ] ?? array() as list( $callback, $count ) ) {
		$callback( ...array_slice( $args, 0, $count ) );
	}
}

/* Options, transients, and the little of $wpdb that works on the options table. */

function wp_state( callable $change ) {
	$file = fopen( getenv( 'WP_STATE' ), 'c+' );
	flock( $file, LOCK_EX );
	$raw    = stream_get_contents( $file );
	$rows   = '' === $raw ? array() : unserialize( $raw );
	$before = $rows;
	$result = $change( $rows );
	if ( $rows !== $before ) {
		rewind( $file );
		ftruncate( $file, 0 );
		fwrite( $file, serialize( $rows ) );
		fflush( $file );
	}
	flock( $file, LOCK_UN );
	fclose( $file );
	return $result;
}
function get_option( $name, $default = false ) {
	return wp_state( fn( &$rows ) => array_key_exists( $name, $rows ) ? unserialize( $rows[ $name ]['value'] ) : $default );
}
function update_option( $name, $value, $autoload = null ) {
	return wp_state(
		function ( &$rows ) use ( $name, $value, $autoload ) {
			// As in WordPress: without a word about it, a new row is autoloaded.
			$rows[ $name ] = array(
				'value'    => serialize( $value ),
				'autoload' => null === $autoload ? ( $rows[ $name ]['autoload'] ?? 'yes' ) : ( $autoload ? 'yes' : 'no' ),
			);
			return true;
		}
	);
}
function delete_option( $name ) {
	return wp_state(
		function ( &$rows ) use ( $name ) {
			unset( $rows[ $name ] );
			return true;
		}
	);
}
function wp_cache_delete( $name, $group = '' ) {}
function set_transient( $name, $value, $life = 0 ) {
	return update_option( '_transient_' . $name, array( $value, $life ? time() + $life : PHP_INT_MAX ), false );
}
function get_transient( $name ) {
	list( $value, $until ) = get_option( '_transient_' . $name, array( false, PHP_INT_MAX ) );
	return $until > time() ? $value : false;
}
function delete_transient( $name ) {
	return delete_option( '_transient_' . $name );
}

class wpdb {
	public $options = 'wp_options';
	public function suppress_errors( $on = true ) {
		return false;
	}
	public function prepare( $sql, ...$args ) {
		return array( $sql, $args );
	}
	public function get_var( $prepared ) {
		return wp_state( fn( &$rows ) => $rows[ $prepared[1][0] ]['value'] ?? null );
	}
	/** The unique name decides, in one step. */
	public function insert( $table, $row ) {
		return wp_state(
			function ( &$rows ) use ( $row ) {
				if ( isset( $rows[ $row['option_name'] ] ) ) {
					return false;
				}
				$rows[ $row['option_name'] ] = array( 'value' => $row['option_value'], 'autoload' => $row['autoload'] );
				return 1;
			}
		);
	}
	public function update( $table, $set, $where ) {
		return wp_state(
			function ( &$rows ) use ( $set, $where ) {
				$name = $where['option_name'];
				if ( ( $rows[ $name ]['value'] ?? null ) !== $where['option_value'] ) {
					return 0;
				}
				$rows[ $name ]['value'] = $set['option_value'];
				return 1;
			}
		);
	}
	public function delete( $table, $where ) {
		return wp_state(
			function ( &$rows ) use ( $where ) {
				$name = $where['option_name'];
				if ( ( $rows[ $name ]['value'] ?? null ) !== $where['option_value'] ) {
					return 0;
				}
				unset( $rows[ $name ] );
				return 1;
			}
		);
	}
}
$GLOBALS['wpdb'] = new wpdb();

/* HTTP, with WordPress's own defaults: 5 seconds, 5 redirects. */

function wp_remote_request( $url, $args = array() ) {
	$args    = apply_filters( 'http_request_args', $args + array( 'method' => 'GET', 'timeout' => 5, 'redirection' => 5, 'headers' => array(), 'body' => null ), $url );
	$headers = array( 'Connection: close' );
	foreach ( $args['headers'] as $name => $value ) {
		$headers[] = "$name: $value";
	}
	$context = stream_context_create(
		array(
			'http' => array(
				'method'           => $args['method'],
				'header'           => $headers,
				'content'          => (string) $args['body'],
				'timeout'          => $args['timeout'],
				'follow_location'  => $args['redirection'] > 0 ? 1 : 0,
				'ignore_errors'    => true,
				'protocol_version' => 1.1,
			),
		)
	);
	$body = @file_get_contents( $url, false, $context );
	if ( false === $body || empty( $http_response_header ) ) {
		return new WP_Error( 'http_request_failed', (string) ( error_get_last()['message'] ?? 'no answer' ) );
	}
	$found = array();
	foreach ( $http_response_header as $line ) {
		if ( preg_match( '#^HTTP/\S+ (\d+)#', $line, $part ) ) {
			$status = (int) $part[1];
			$found  = array();
		} elseif ( preg_match( '/^([^:]+):\s*(.*)$/', $line, $part ) ) {
			$found[ strtolower( $part[1] ) ] = $part[2];
		}
	}
	return array( 'status' => $status, 'headers' => $found, 'body' => $body );
}
function wp_remote_retrieve_response_code( $answer ) {
	return $answer['status'];
}
function wp_remote_retrieve_body( $answer ) {
	return $answer['body'];
}
function wp_remote_retrieve_header( $answer, $name ) {
	return $answer['headers'][ $name ] ?? '';
}

/* Who is there. The cookie stands for a log-in: wp_user=<user>:<session token>. Users 1 and 2 are admins. */

function wp_who() {
	return array_pad( explode( ':', $_COOKIE['wp_user'] ?? '0:', 2 ), 2, '' );
}
function get_current_user_id() {
	return (int) wp_who()[0];
}
function wp_get_session_token() {
	return wp_who()[1];
}
function current_user_can( $what ) {
	return in_array( get_current_user_id(), array( 1, 2 ), true );
}
function wp_create_nonce( $action ) {
	return substr( hash_hmac( 'sha256', $action . '|' . implode( '|', wp_who() ), 'salt of the double' ), -10 );
}
function wp_verify_nonce( $nonce, $action ) {
	return hash_equals( wp_create_nonce( $action ), (string) $nonce ) ? 1 : false;
}
function wp_nonce_field( $action ) {
	echo '<input type="hidden" name="_wpnonce" value="' . esc_attr( wp_create_nonce( $action ) ) . '">';
}
function check_admin_referer( $action ) {
	if ( ! wp_verify_nonce( $_REQUEST['_wpnonce'] ?? '', $action ) ) {
		wp_die( 'The link you followed has expired.', '', array( 'response' => 403 ) );
	}
}

/* Addresses. */

function home_url( $path = '' ) {
	return getenv( 'WP_HOME' ) . $path;
}
function admin_url( $path = '' ) {
	return home_url( '/wp-admin/' . $path );
}
function rest_url( $path = '' ) {
	return home_url( '/wp-json/' . $path );
}
function add_query_arg( $args, $url ) {
	foreach ( $args as $name => $value ) {
		$url .= ( str_contains( $url, '?' ) ? '&' : '?' ) . $name . '=' . $value;
	}
	return $url;
}
function get_bloginfo( $what ) {
	return 'Double of a shop';
}
function wp_redirect( $url, $status = 302 ) {
	header( 'Location: ' . $url, true, $status );
}
function wp_safe_redirect( $url, $status = 302 ) {
	wp_redirect( str_starts_with( $url, home_url( '/' ) ) ? $url : admin_url(), $status );
}

/* Words. */

function __( $text, $domain = '' ) {
	return $text;
}
function esc_html( $text ) {
	return htmlspecialchars( (string) $text, ENT_QUOTES );
}
function esc_attr( $text ) {
	return htmlspecialchars( (string) $text, ENT_QUOTES );
}
function esc_url( $text ) {
	return htmlspecialchars( (string) $text, ENT_QUOTES );
}
function esc_html__( $text, $domain = '' ) {
	return esc_html( $text );
}
function sanitize_key( $text ) {
	return preg_replace( '/[^a-z0-9_\-]/', '', strtolower( (string) $text ) );
}
function __return_true() {
	return true;
}
function wp_json_encode( $value ) {
	return json_encode( $value );
}
/** WordPress puts slashes into $_GET and takes them out here; the router puts none in. */
function wp_unslash( $value ) {
	return $value;
}
function wp_generate_uuid4() {
	return preg_replace( '/^(.{8})(.{4}).(.{3}).(.{3})(.{12})$/', '$1-$2-4$3-a$4-$5', bin2hex( random_bytes( 16 ) ) );
}
function nocache_headers() {
	header( 'Cache-Control: no-store' );
}
function wp_die( $message = '', $title = '', $args = array() ) {
	http_response_code( $args['response'] ?? 500 );
	echo '<p>' . $message . '</p>';
	exit;
}

/* WP-Cron: kept, and run when a test says so. */

function wp_next_scheduled( $hook, $args = array() ) {
	foreach ( get_option( 'cron', array() ) as $event ) {
		if ( $event['hook'] === $hook && $event['args'] === $args ) {
			return $event['at'];
		}
	}
	return false;
}
function wp_schedule_single_event( $at, $hook, $args = array() ) {
	update_option( 'cron', array_merge( get_option( 'cron', array() ), array( compact( 'at', 'hook', 'args' ) ) ) );
	return true;
}

/* Menu. */

function add_menu_page( $title, $label, $may, $slug, $callback = '', $icon = '' ) {
	return 'toplevel_page_' . $slug;
}
function add_submenu_page( $parent, $title, $label, $may, $slug, $callback ) {
	$hook                           = 'toplevel_page_' . $slug;
	$GLOBALS['wp_menu'][ $slug ] = array( $hook, $may, $callback );
	return $hook;
}

/* REST. */

class WP_REST_Request {
	public function __construct( private array $headers, private string $body ) {}
	public function get_header( $name ) {
		return $this->headers[ strtolower( str_replace( '_', '-', $name ) ) ] ?? null;
	}
	public function get_body() {
		return $this->body;
	}
	public function get_json_params() {
		return str_starts_with( (string) $this->get_header( 'content-type' ), 'application/json' ) ? json_decode( $this->body, true ) : null;
	}
}
class WP_REST_Response {
	public $status  = 200;
	public $headers = array();
	public function __construct( public $data ) {}
	public function set_status( $status ) {
		$this->status = $status;
	}
	public function header( $name, $value ) {
		$this->headers[ $name ] = $value;
	}
}
function rest_ensure_response( $data ) {
	return new WP_REST_Response( $data );
}
function register_rest_route( $namespace, $path, $route ) {
	$GLOBALS['wp_routes'][ '/' . $namespace . $path ] = $route;
}
