<?php
/**
 * Stands for the part of WooCommerce that the example calls: products, the cart, orders.
 * Products and cart come from the test's file (probe_config()); orders are kept like options.
 * Totals are computed here as WooCommerce does it (per line, unrounded, tax apart).
 */

function wc_format_decimal( $number, $places = false ) {
	return false === $places ? (string) $number : number_format( (float) $number, $places, '.', '' );
}
function get_woocommerce_currency() {
	return strtoupper( probe_config()['currency'] ?? 'usd' );
}

class WC_Product {
	public function __construct( public string $id, private array $row ) {}
	public function get_name() {
		return $this->row['name'];
	}
	public function get_price() {
		return $this->row['price'];
	}
	public function get_sku() {
		return $this->row['sku'] ?? '';
	}
	public function is_purchasable() {
		return ! ( $this->row['draft'] ?? false );
	}
	public function is_type( $type ) {
		return ( $this->row['type'] ?? 'simple' ) === $type;
	}
	public function is_in_stock() {
		return 0 !== ( $this->row['stock'] ?? null );
	}
	public function has_enough_stock( $quantity ) {
		return $quantity <= ( $this->row['stock'] ?? PHP_INT_MAX );
	}
}
function wc_get_product( $id ) {
	$row = probe_config()['products'][ $id ] ?? null;
	return $row ? new WC_Product( (string) $id, $row ) : false;
}

class WC_Order_Item {
	public function __construct( private array $row ) {}
	public function get_product() {
		return isset( $this->row['product_id'] ) ? wc_get_product( $this->row['product_id'] ) : null;
	}
	public function get_product_id() {
		return (int) $this->row['product_id'];
	}
	public function get_variation_id() {
		return 0;
	}
	public function get_name() {
		return $this->row['name'];
	}
	public function get_quantity() {
		return $this->row['quantity'];
	}
	public function get_total() {
		return $this->row['total'];
	}
}

class WC_Order {
	public function __construct( private array $row ) {}
	public function get_id() {
		return $this->row['id'];
	}
	public function get_currency() {
		return $this->row['currency'];
	}
	public function get_total() {
		return $this->row['total'];
	}
	public function get_total_tax() {
		return $this->row['tax'];
	}
	public function get_shipping_total() {
		return $this->row['shipping'];
	}
	public function get_shipping_method() {
		return 'Flat rate';
	}
	public function get_items( $type = 'line_item' ) {
		return array_map( fn( $row ) => new WC_Order_Item( $row ), $this->row[ 'fee' === $type ? 'fees' : 'items' ] );
	}
	public function add_product( $product, $quantity = 1 ) {
		$this->row['items'][] = array(
			'product_id' => $product->id,
			'name'       => $product->get_name(),
			'quantity'   => $quantity,
			'total'      => wc_format_decimal( $product->get_price() * $quantity, 6 ),
		);
	}
	/** Coupons (percent off the lines), shipping, fees and tax of the test's file. */
	public function calculate_totals( array $more = array() ) {
		$sum = 0;
		foreach ( $this->row['items'] as $at => $item ) {
			$total                              = $item['total'] * ( 100 - ( $more['percent_off'] ?? 0 ) ) / 100;
			$this->row['items'][ $at ]['total'] = wc_format_decimal( $total, 6 );
			$sum                               += $total;
		}
		$this->row['shipping'] = $more['shipping'] ?? '0';
		$this->row['fees']     = $more['fees'] ?? array();
		$sum                  += $this->row['shipping'] + array_sum( array_column( $this->row['fees'], 'total' ) );
		$this->row['tax']      = wc_format_decimal( $sum * ( $more['tax_percent'] ?? 0 ) / 100, 6 );
		$this->row['total']    = wc_format_decimal( $sum + $this->row['tax'], probe_config()['decimals'] ?? 2 );
		$this->save();
	}
	public function get_meta( $name ) {
		return $this->row['meta'][ $name ] ?? '';
	}
	public function update_meta_data( $name, $value ) {
		$this->row['meta'][ $name ] = $value;
	}
	public function save() {
		update_option( 'wc_order_' . $this->row['id'], $this->row, false );
	}
	public function get_date_paid() {
		return $this->row['date_paid'];
	}
	public function update_status( $status, $note = '' ) {
		$this->row['status'] = $status;
		$this->save();
		probe_log( array( 'what' => 'status', 'order' => (string) $this->row['id'], 'status' => $status ) );
	}
	/** Here the time goes: mails, stock, other plugins' hooks. */
	public function payment_complete( $transaction = '' ) {
		probe_log( array( 'what' => 'payment_complete', 'order' => (string) $this->row['id'], 'transaction' => $transaction ) );
		usleep( 1000 * ( probe_config()['slow_ms'] ?? 0 ) );
		$this->row['date_paid'] = time();
		$this->row['status']    = 'processing';
		$this->save();
		return true;
	}
	public function get_checkout_order_received_url() {
		return home_url( '/checkout/order-received/' . $this->row['id'] . '/?key=wc_order_double' );
	}
}
function wc_create_order( $args = array() ) {
	$id    = wp_state(
		function ( &$rows ) {
			$next                  = 1 + (int) ( $rows['wc_next']['value'] ?? 100 );
			$rows['wc_next'] = array( 'value' => (string) $next, 'autoload' => 'no' );
			return $next;
		}
	);
	$order = new WC_Order(
		array(
			'id'        => $id,
			'currency'  => get_woocommerce_currency(),
			'items'     => array(),
			'fees'      => array(),
			'shipping'  => '0',
			'tax'       => '0',
			'total'     => '0',
			'status'    => 'pending',
			'date_paid' => null,
			'meta'      => array(),
		)
	);
	$order->save();
	return $order;
}
function wc_get_order( $id ) {
	$row = preg_match( '/^\d+$/D', (string) $id ) ? get_option( 'wc_order_' . $id ) : false;
	return $row ? new WC_Order( $row ) : false;
}
function wc_load_cart() {}
function wc_get_cart_url() {
	return home_url( '/cart/' );
}

class WooCommerce_Double {
	public $cart;
	public $session;
	public function __construct() {
		$this->cart    = $this;
		$this->session = $this;
	}
	public function is_empty() {
		return empty( probe_config()['cart'] );
	}
	public function check_cart_items() {
		return true;
	}
	public function calculate_totals() {}
	public function empty_cart() {
		probe_log( array( 'what' => 'cart_emptied' ) );
	}
	public function set( $name, $value ) {
		update_option( 'wc_session_' . $name, $value, false );
	}
	public function checkout() {
		return $this;
	}
	/** The same cart finds its waiting order again, as WooCommerce's checkout does. */
	public function create_order( $data ) {
		$config  = probe_config();
		$hash    = md5( serialize( array( $config['cart'], $config['products'], $config['currency'] ?? '', $config['totals'] ?? array() ) ) );
		$waiting = wc_get_order( get_option( 'wc_session_order_awaiting_payment' ) );
		if ( $waiting && ! $waiting->get_date_paid() && $waiting->get_meta( 'cart_hash' ) === $hash ) {
			return $waiting->get_id();
		}
		$order = wc_create_order();
		foreach ( $config['cart'] as $line ) {
			$order->add_product( wc_get_product( $line['product_id'] ), $line['quantity'] );
		}
		$order->update_meta_data( 'cart_hash', $hash );
		$order->calculate_totals( $config['totals'] ?? array() );
		return $order->get_id();
	}
}
function WC() {
	static $woo;
	return $woo ??= new WooCommerce_Double();
}
