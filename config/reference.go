package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// maxFileBytes bounds what ${file:PATH} may read.
const maxFileBytes = 1 << 20

// references replaces ${env:NAME} and ${file:PATH} in text. A text that needs the characters ${
// themselves writes $${.
type references struct {
	dir    string // relative paths start here
	getenv func(string) (string, bool)
}

// mistake is what is wrong with a reference.
type mistake struct{ reason, remedy string }

// replace returns s with every reference replaced, and whether there was one. What could not be
// replaced is left out.
func (r references) replace(s string) (text string, outside bool, _ *mistake) {
	var b strings.Builder
	var wrong *mistake
	for {
		i := strings.Index(s, "${")
		if i < 0 {
			b.WriteString(s)
			return b.String(), outside, wrong
		}
		if i > 0 && s[i-1] == '$' {
			b.WriteString(s[:i-1] + "${")
			s = s[i+2:]
			continue
		}
		b.WriteString(s[:i])
		outside = true
		end := strings.IndexByte(s[i:], '}')
		if end < 0 {
			return b.String(), outside, &mistake{"a reference starts with ${ and does not end", "close it with }, or write $${ for the characters themselves"}
		}
		value, err := r.value(s[i+2 : i+end])
		if err != nil && wrong == nil {
			wrong = err
		}
		b.WriteString(value)
		s = s[i+end+1:]
	}
}

func (r references) value(ref string) (string, *mistake) {
	how, name, _ := strings.Cut(ref, ":")
	switch {
	case how == "env" && name != "":
		if v, ok := r.getenv(name); ok {
			return v, nil
		}
		return "", &mistake{fmt.Sprintf("the environment variable %s is not set", name), "set it, or remove the key if it is optional"}
	case how == "file" && name != "":
		return r.file(name)
	default:
		// Not shown: it may be a piece of a secret that happens to contain these characters.
		return "", &mistake{"what stands between ${ and } is no reference", "write ${env:NAME} or ${file:PATH}, or $${ for the characters themselves"}
	}
}

// file returns what a file holds, without the line end that editors and `echo` put behind the last
// line.
func (r references) file(name string) (string, *mistake) {
	path := name
	if !filepath.IsAbs(path) {
		path = filepath.Join(r.dir, path)
	}
	data, err := readFile(path, maxFileBytes)
	if err != nil {
		return "", &mistake{fmt.Sprintf("the file %s cannot be read: %v", path, reasonOf(err)), "check the path, which starts at the folder of the configuration file, and the permissions"}
	}
	text := strings.TrimSuffix(string(data), "\n")
	return strings.TrimSuffix(text, "\r"), nil
}

func readFile(path string, maxBytes int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxBytes+1))
	if err == nil && int64(len(data)) > maxBytes {
		err = fmt.Errorf("it has more than %d bytes", maxBytes)
	}
	return data, err
}

// reasonOf is an error without the operation and the path, which the message around it has.
func reasonOf(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}
