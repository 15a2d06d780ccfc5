package store

// Owned are the tables that EraseJob empties.
var Owned = owned
