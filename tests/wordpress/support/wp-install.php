<?php
/** Makes the database and the site: two admins and a subscriber, whose passwords are their names. */

( new mysqli( 'localhost', 'root', '', null, 0, getenv( 'WP_SOCKET' ) ) )->query( 'CREATE DATABASE wordpress' );
define( 'WP_INSTALLING', true );
$_SERVER['HTTP_HOST']      = parse_url( getenv( 'WP_HOME' ), PHP_URL_HOST ) . ':' . parse_url( getenv( 'WP_HOME' ), PHP_URL_PORT );
$_SERVER['REQUEST_METHOD'] = 'GET';
require getenv( 'WP_DIR' ) . '/wp-load.php';
require ABSPATH . 'wp-admin/includes/upgrade.php';
wp_install( 'Mug & Spoon', 'user1', 'user1@example.com', true, '', 'user1' );
foreach ( array( 'user2' => 'administrator', 'user3' => 'subscriber' ) as $name => $role ) {
	wp_insert_user( array( 'user_login' => $name, 'user_pass' => $name, 'user_email' => "$name@example.com", 'role' => $role ) );
}
update_option( 'permalink_structure', '/%postname%/' );
