package config

// Defaults returns a file and a job in which nothing is set.
func Defaults() (File, Job) {
	f, j := File{}, Job{}
	f.setDefaults()
	f.DataDir = "./data"
	j.setDefaults()
	j.defaults()
	return f, j
}

// SourceTypes and TargetTypes are the types that blocks may have.
func SourceTypes() []string { return sourceTypes }
func TargetTypes() []string { return targetTypes }

// Update asks for golden files to be written anew.
var Update = update
