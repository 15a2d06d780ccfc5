package temporald

import (
	"strings"
	"testing"
	"time"
)

func TestOptions(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		in   Options
		want []string // in the error; none: no error
	}{
		{"defaults", Options{Dir: "d"}, nil},
		{"no directory", Options{}, []string{"set dataDir"}},
		{"reserved namespace", Options{Dir: "d", Namespace: "temporal-system"}, []string{`"temporal-system"`}},
		{"everything at once", Options{Retention: time.Minute, FrontendPort: 65536},
			[]string{"set dataDir", "the least is 1h0m0s", "65536"}},
	} {
		got, err := tc.in.withDefaults()
		if tc.want == nil {
			if err != nil {
				t.Errorf("%s: %v", tc.name, err)
			}
			if got.Namespace != "default" || got.Retention != 14*24*time.Hour || got.Logger == nil {
				t.Errorf("%s: defaults not filled in: %+v", tc.name, got)
			}
			continue
		}
		for _, want := range tc.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: error %v does not say %q", tc.name, err, want)
			}
		}
	}
}
