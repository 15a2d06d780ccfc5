package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/scimsync/scimsync/config"
	"github.com/scimsync/scimsync/connectors/scim"
)

func newInit(c *console) *cobra.Command {
	o := config.TemplateOptions{}
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Write a commented scimsync.yaml to start from",
		RunE: func(*cobra.Command, []string) error {
			if o.Target == "scim" && o.App != "" && !slices.Contains(scim.Apps(), o.App) {
				return usage("--app %s: no such preset; use one of %s, or leave it out", o.App, strings.Join(scim.Apps(), ", "))
			}
			text, err := config.Template(o)
			if err != nil {
				return usage("%v", err)
			}
			f, err := os.OpenFile(c.config, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
			if errors.Is(err, fs.ErrExist) {
				return usage("%s exists already and was left alone; name another file with --config", c.config)
			}
			if err != nil {
				return err
			}
			if _, err = f.WriteString(text); err == nil {
				err = f.Close()
			}
			if err != nil {
				return fmt.Errorf("write %s: %w", c.config, err)
			}
			_, err = fmt.Fprintf(c.out, "wrote %s\nfill in what it asks for, then run: scimsync check\n", c.config)
			return err
		},
	}
	cmd.Flags().StringVar(&o.Source, "source", "msgraph", "`type` of the source")
	cmd.Flags().StringVar(&o.Target, "target", "scim", "`type` of the target")
	cmd.Flags().StringVar(&o.App, "app", "", "preset of a known application, for example webex")
	return cmd
}
