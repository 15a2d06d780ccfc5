package engine

// Codes of subjects of on-demand provisioning that did not come as far as an operation.
const (
	CodeSubjectMissing   Code = "SourceObjectNotFound"  // nobody is called so
	CodeSubjectAmbiguous Code = "SourceObjectAmbiguous" // several are
	// CodeUnresolved says that a reference leads to an object that is not provisioned (16.3).
	CodeUnresolved Code = "UnableToResolveReferenceAttributeValue"
)
