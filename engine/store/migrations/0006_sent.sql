-- By what a create that may have been sent can be found again, '' if none was.
ALTER TABLE changes ADD COLUMN sent $text NOT NULL DEFAULT '';
