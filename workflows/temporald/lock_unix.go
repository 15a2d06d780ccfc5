//go:build unix && !noembed

package temporald

import (
	"errors"
	"os"
	"syscall"
)

// lockFile takes an exclusive lock on f without waiting; held reports that somebody else has it.
// The lock belongs to this opening of the file, so it also excludes a second server of this
// process, and the kernel drops it when the process ends.
func lockFile(f *os.File) (held bool, err error) {
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case errors.Is(err, syscall.EWOULDBLOCK):
			return true, nil
		default:
			return false, err
		}
	}
}

// unlockFile gives the lock back at once. Closing the file is not enough: a process that is being
// forked at this moment shares the lock until it executes its program.
func unlockFile(f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_UN) }
