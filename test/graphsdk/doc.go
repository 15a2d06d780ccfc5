// Package graphsdk drives our Graph sandbox and our admin API with the complete official client library, to prove
// that what they answer is what that library's generated models expect. It is a module of its own, because building
// those models takes minutes, and the product itself uses only the library's core:
//
//	cd test/graphsdk && go test ./...
package graphsdk
