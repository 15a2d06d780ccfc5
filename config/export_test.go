package config

import (
	"reflect"
	"strings"
	"time"
)

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

// Short reports whether values of t may be written as one word.
func Short(t reflect.Type) bool { return reflect.PointerTo(t).Implements(reflect.TypeFor[shorthand]()) }

// InDays writes a duration as people do.
func InDays(x time.Duration) string { return strings.TrimSuffix(inDays(x), "0s") }

// Update asks for golden files to be written anew.
var Update = update
