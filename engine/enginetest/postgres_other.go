//go:build !unix

package enginetest

import "syscall"

// ordinaryUser says as whom the server runs: as the user of the test.
func ordinaryUser(string) (*syscall.SysProcAttr, error) { return nil, nil }
