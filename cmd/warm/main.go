package main

import (
	_ "github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	_ "github.com/cenkalti/backoff/v4"
	_ "github.com/dlclark/regexp2"
	_ "github.com/elimity-com/scim"
	_ "github.com/goccy/go-yaml"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "github.com/microsoftgraph/msgraph-sdk-go-core"
	_ "github.com/microsoftgraph/msgraph-sdk-go/models/odataerrors"
	_ "github.com/pressly/goose/v3"
	_ "github.com/scim2/filter-parser/v2"
	_ "github.com/spf13/cobra"
	_ "go.temporal.io/sdk/client"
	_ "go.temporal.io/sdk/worker"
	_ "go.temporal.io/sdk/testsuite"
	_ "go.temporal.io/server/temporal"
	_ "go.temporal.io/server/common/persistence/sql/sqlplugin/sqlite"
	_ "go.temporal.io/server/schema/sqlite"
	_ "go.uber.org/zap"
	_ "modernc.org/sqlite"
	_ "github.com/google/go-cmp/cmp"
	_ "pgregory.net/rapid"
	_ "go.uber.org/goleak"
	_ "golang.org/x/time/rate"
	_ "golang.org/x/sync/errgroup"
	_ "golang.org/x/term"
	_ "github.com/rogpeppe/go-internal/testscript"
)

func main() {}
