"""Pure judgement: observations in, findings out; one module per area of the catalogue."""
