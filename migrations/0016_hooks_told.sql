-- An approval that was answered again, to the same hook: from then on it is not taken back, whatever answer was late.
ALTER TABLE agentic_hooks ADD COLUMN told INTEGER NOT NULL DEFAULT 0 CHECK (told IN (0, 1));
