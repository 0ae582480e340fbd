//! Stripe's product catalogue columns: rows checked before they are sent, and written as Stripe takes them.
