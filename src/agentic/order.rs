//! An order that an agent made at Stripe, read from its expanded Session (seed: *Checkout session field reference*).
