package decide

import "github.com/scimsync/scimsync/engine"

// Order returns the class in which an operation is exported (5.1): deletes and disables free unique
// values, renames go before other updates, and what has to be searched for goes before what is new.
// It is zero for an operation that writes nothing.
func Order(f Facts, op engine.Operation) engine.Order {
	if op.EmptyMembers {
		return engine.OrderDisable
	}
	switch op.Action {
	case engine.Delete:
		return engine.OrderDelete
	case engine.Disable:
		return engine.OrderDisable
	case engine.Update, engine.Enable:
		if renames(f, op.Changes) {
			return engine.OrderRename
		}
		return engine.OrderUpdate
	case engine.Look:
		if f.Link != nil {
			return engine.OrderUpdate
		}
		return engine.OrderMatch
	case engine.Create:
		return engine.OrderCreate
	default:
		return 0
	}
}
