//go:build !noembed

package temporald

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"
)

const (
	dbName    = "temporal.db"
	stampName = "temporal.version"
	lockName  = "temporal.lock"
)

// A dataDir is the directory of the server's file, locked for this process.
type dataDir struct {
	path string
	lock *os.File
	log  *zap.Logger
}

// openDataDir makes dir if it is missing and locks it. The error wraps [ErrLocked] if somebody else
// holds the lock.
func openDataDir(dir string, lg *zap.Logger) (*dataDir, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make data directory: %w", err)
	}
	name := filepath.Join(dir, lockName)
	// The file is never removed: a process that waits to open it could lock the removed one.
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock file: %w", err)
	}
	held, err := lockFile(f)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w; the data directory must be on a local disk", name, err), f.Close())
	}
	if held {
		holder := lockHolder(f)
		return nil, errors.Join(fmt.Errorf("%w: %s holds the lock %s; if that is the service, ask it for a cycle with `scimsync job sync JOB`; else stop it, or use another dataDir",
			ErrLocked, holder, name), f.Close())
	}
	d := &dataDir{path: dir, lock: f, log: lg}
	if err := d.writeHolder(); err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

// writeHolder notes our process id in the lock file, for the error message of others.
func (d *dataDir) writeHolder() error {
	if err := d.lock.Truncate(0); err != nil {
		return fmt.Errorf("write lock file: %w", err)
	}
	if _, err := d.lock.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0); err != nil {
		return fmt.Errorf("write lock file: %w", err)
	}
	return nil
}

// lockHolder reads who holds the lock. The id is missing for the moment between the holder's
// locking and its writing.
func lockHolder(f *os.File) string {
	b, err := io.ReadAll(io.LimitReader(f, 32))
	pid, convErr := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil || convErr != nil {
		return "another process"
	}
	return "process " + strconv.Itoa(pid)
}

// close gives the lock back.
func (d *dataDir) close() error { return errors.Join(unlockFile(d.lock), d.lock.Close()) }

// file is the path of a file in the directory.
func (d *dataDir) file(name string) string { return filepath.Join(d.path, name) }

// claim makes the directory hold either a complete file of this server version or none, and reports
// which: fresh means that the schema is still to be made. What is there of another version, or
// without a stamp (its making was cut short, or it isn't ours), is moved aside.
func (d *dataDir) claim(version string, now time.Time) (fresh bool, err error) {
	stamp, err := os.ReadFile(d.file(stampName))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("read version stamp: %w", err)
	}
	have := strings.TrimSpace(string(stamp))
	found, err := exists(d.file(dbName))
	if err != nil {
		return false, fmt.Errorf("look for the database: %w", err)
	}
	if found && have == version {
		return false, nil
	}

	// The stamp goes first: should we be killed in between, what is left counts as unstamped.
	if err := os.Remove(d.file(stampName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("remove version stamp: %w", err)
	}
	moved, err := d.moveAside(now)
	if err != nil {
		return false, err
	}
	if moved != "" {
		d.log.Warn("embedded temporal database set aside and made anew: it was written by another server version; "+
			"schedules are set up again, workflows that were running are forgotten",
			zap.String("found", have), zap.String("linked", version), zap.String("moved_to", moved))
	}
	return true, d.sync()
}

// moveAside renames the database and its journal to a dated name that nobody uses yet, and returns
// it; it is empty if there was nothing. The journal moves first: an old journal beside a new
// database would be replayed into it.
func (d *dataDir) moveAside(now time.Time) (string, error) {
	base := strings.TrimSuffix(dbName, ".db") + "-" + now.UTC().Format("20060102T150405Z")
	target := base + ".db"
	for n := 2; ; n++ {
		taken, err := exists(d.file(target))
		if err != nil {
			return "", fmt.Errorf("set aside %s: %w", dbName, err)
		}
		if !taken {
			break
		}
		target = base + "-" + strconv.Itoa(n) + ".db"
	}

	var moved string
	for _, suffix := range []string{"-shm", "-wal", ""} {
		err := os.Rename(d.file(dbName+suffix), d.file(target+suffix))
		switch {
		case err == nil:
			moved = target
		case !errors.Is(err, fs.ErrNotExist):
			return "", fmt.Errorf("set aside %s: %w", dbName+suffix, err)
		}
	}
	return moved, nil
}

// create makes the empty database file, readable by its owner only; SQLite gives its journal the
// same mode.
func (d *dataDir) create() error {
	f, err := os.OpenFile(d.file(dbName), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("create database: %w", err)
	}
	return f.Close()
}

// stamp records that the database is complete and which version wrote it. It is there entirely or
// not at all.
func (d *dataDir) stamp(version string) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("write version stamp: %w", err)
		}
	}()
	tmp := d.file(stampName + ".tmp")
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(version + "\n")
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(tmp, d.file(stampName)); err != nil {
		return err
	}
	return d.sync()
}

// sync makes renames durable. Windows cannot flush a directory and does not need to.
func (d *dataDir) sync() error {
	if runtime.GOOS == "windows" {
		return nil
	}
	f, err := os.Open(d.path)
	if err != nil {
		return fmt.Errorf("sync data directory: %w", err)
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		return fmt.Errorf("sync data directory: %w", err)
	}
	return nil
}

func exists(path string) (bool, error) {
	_, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}
