package scimtest

import (
	"encoding/base64"
	"net/http"
	"slices"
	"strconv"

	"github.com/elimity-com/scim/errors"
)

// cursor is a place in the results of a search: behind the resource with that number of creation, so
// that deletions between pages skip nothing; in sorted results, behind so many resources.
type cursor struct {
	seq    uint64
	offset int
}

func (c cursor) String() string {
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatUint(c.seq, 10) + "." + strconv.Itoa(c.offset)))
}

func parseCursor(s string) (cursor, *errors.ScimError) {
	raw, err := base64.RawURLEncoding.DecodeString(s)
	if err == nil {
		if seq, offset, ok := cutBytes(raw); ok {
			return cursor{seq, offset}, nil
		}
	}
	return cursor{}, refuse(http.StatusBadRequest, "invalidCursor", "The cursor is not one of this server.")
}

func cutBytes(raw []byte) (uint64, int, bool) {
	i := slices.Index(raw, '.')
	if i < 0 {
		return 0, 0, false
	}
	seq, err1 := strconv.ParseUint(string(raw[:i]), 10, 64)
	offset, err2 := strconv.Atoi(string(raw[i+1:]))
	return seq, offset, err1 == nil && err2 == nil && offset >= 0
}

// cursorPage cuts the page behind a cursor out of what was found, and makes the cursor of the next
// page; it is empty on the last (RFC 9865 section 2.1).
func cursorPage(found []*entry, after cursor, count int, byCreation bool) ([]*entry, string) {
	from := min(after.offset, len(found))
	if byCreation && after.seq > 0 {
		from, _ = slices.BinarySearchFunc(found, after.seq+1, func(e *entry, seq uint64) int {
			switch {
			case e.seq < seq:
				return -1
			case e.seq > seq:
				return 1
			default:
				return 0
			}
		})
	}
	to := min(from+count, len(found))
	page := found[from:to]
	if to >= len(found) || len(page) == 0 {
		return page, ""
	}
	return page, cursor{seq: page[len(page)-1].seq, offset: to}.String()
}
