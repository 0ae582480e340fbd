-- What the ledger comes to, day by day: `GET /v1/transactions/summary` adds up days instead of transactions, so it costs the same at a
-- thousand and at a million of them. Kept by the three triggers below, that is in the very statement that changes a transaction.
-- Told in src/store/mod.rs.
CREATE TABLE ledger_days (
  shop_id TEXT NOT NULL,
  -- UTC days since 1970, of `created` and of `paid_at`; -1 where it was not paid.
  created_day INTEGER NOT NULL,
  paid_day INTEGER NOT NULL,
  livemode INTEGER NOT NULL,
  currency TEXT NOT NULL,
  source TEXT NOT NULL,
  -- '' where there is none.
  agent TEXT NOT NULL,
  status TEXT NOT NULL,
  count INTEGER NOT NULL,
  captured INTEGER NOT NULL,
  refunded INTEGER NOT NULL,
  -- Less what was given back.
  fees INTEGER NOT NULL,
  PRIMARY KEY (shop_id, created_day, paid_day, livemode, currency, source, agent, status)
) STRICT, WITHOUT ROWID;

INSERT INTO ledger_days
SELECT shop_id, created / 86400, coalesce(paid_at / 86400, -1), livemode, currency, source, coalesce(agent, ''), status,
  count(*), sum(amount_captured), sum(amount_refunded), sum(application_fee_amount - application_fee_refunded)
FROM transactions GROUP BY 1, 2, 3, 4, 5, 6, 7, 8;

CREATE TRIGGER ledger_days_insert AFTER INSERT ON transactions
BEGIN
  INSERT INTO ledger_days VALUES (NEW.shop_id, NEW.created / 86400, coalesce(NEW.paid_at / 86400, -1), NEW.livemode, NEW.currency,
    NEW.source, coalesce(NEW.agent, ''), NEW.status, 1, NEW.amount_captured, NEW.amount_refunded,
    NEW.application_fee_amount - NEW.application_fee_refunded)
  ON CONFLICT DO UPDATE SET count = count + 1, captured = captured + excluded.captured, refunded = refunded + excluded.refunded,
    fees = fees + excluded.fees;
END;

CREATE TRIGGER ledger_days_update AFTER UPDATE OF shop_id, created, paid_at, livemode, currency, source, agent, status, amount_captured,
  amount_refunded, application_fee_amount, application_fee_refunded ON transactions
WHEN (OLD.shop_id, OLD.created, OLD.paid_at, OLD.livemode, OLD.currency, OLD.source, OLD.agent, OLD.status, OLD.amount_captured,
    OLD.amount_refunded, OLD.application_fee_amount, OLD.application_fee_refunded)
  IS NOT (NEW.shop_id, NEW.created, NEW.paid_at, NEW.livemode, NEW.currency, NEW.source, NEW.agent, NEW.status, NEW.amount_captured,
    NEW.amount_refunded, NEW.application_fee_amount, NEW.application_fee_refunded)
BEGIN
  UPDATE ledger_days SET count = count - 1, captured = captured - OLD.amount_captured, refunded = refunded - OLD.amount_refunded,
    fees = fees - (OLD.application_fee_amount - OLD.application_fee_refunded)
  WHERE shop_id = OLD.shop_id AND created_day = OLD.created / 86400 AND paid_day = coalesce(OLD.paid_at / 86400, -1)
    AND livemode = OLD.livemode AND currency = OLD.currency AND source = OLD.source AND agent = coalesce(OLD.agent, '')
    AND status = OLD.status;
  INSERT INTO ledger_days VALUES (NEW.shop_id, NEW.created / 86400, coalesce(NEW.paid_at / 86400, -1), NEW.livemode, NEW.currency,
    NEW.source, coalesce(NEW.agent, ''), NEW.status, 1, NEW.amount_captured, NEW.amount_refunded,
    NEW.application_fee_amount - NEW.application_fee_refunded)
  ON CONFLICT DO UPDATE SET count = count + 1, captured = captured + excluded.captured, refunded = refunded + excluded.refunded,
    fees = fees + excluded.fees;
END;

CREATE TRIGGER ledger_days_delete AFTER DELETE ON transactions
BEGIN
  UPDATE ledger_days SET count = count - 1, captured = captured - OLD.amount_captured, refunded = refunded - OLD.amount_refunded,
    fees = fees - (OLD.application_fee_amount - OLD.application_fee_refunded)
  WHERE shop_id = OLD.shop_id AND created_day = OLD.created / 86400 AND paid_day = coalesce(OLD.paid_at / 86400, -1)
    AND livemode = OLD.livemode AND currency = OLD.currency AND source = OLD.source AND agent = coalesce(OLD.agent, '')
    AND status = OLD.status;
END;
