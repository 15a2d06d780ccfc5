//go:build !noembed

package temporald

import (
	"fmt"
	"net/url"
	"path/filepath"
	"strconv"
	"time"

	sdkworker "go.temporal.io/sdk/worker"
	"go.temporal.io/server/common/cluster"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/dynamicconfig"
	"go.temporal.io/server/common/membership/static"
	"go.temporal.io/server/common/persistence/sql/sqlplugin/sqlite"
	"go.temporal.io/server/common/primitives"
)

const (
	loopback    = "127.0.0.1"
	clusterName = "active" // the name every single-cluster server uses
)

// sqlConfig opens the file at path with one connection (the plugin allows no more).
//
// The plugin keeps connections of the process by their settings and never closes one, so a later
// start on a file that was moved aside would write to the moved file. A setup value of its own
// gives each start its own connection; SQLite ignores it, and the plugin heeds only "true".
func sqlConfig(path string, startedAt time.Time) *config.SQL {
	return &config.SQL{
		PluginName: sqlite.PluginName,
		// The plugin makes a file: URI of it, in which ?, # and % have a meaning.
		DatabaseName: (&url.URL{Path: filepath.ToSlash(path)}).EscapedPath(),
		ConnectAttributes: map[string]string{
			"mode":         "rw", // claim and create decide whether there is a file
			"journal_mode": "wal",
			"synchronous":  "full",  // a power cut loses nothing that was answered
			"busy_timeout": "10000", // ms, for somebody who looks into the file
			"setup":        strconv.FormatInt(startedAt.UnixNano(), 10),
		},
	}
}

// A portSet holds the ports of the four services. The worker service listens on none; its number
// is only its name among the members.
type portSet struct{ frontend, history, matching, worker int }

func (p portSet) byService() map[primitives.ServiceName]int {
	return map[primitives.ServiceName]int{
		primitives.FrontendService: p.frontend,
		primitives.HistoryService:  p.history,
		primitives.MatchingService: p.matching,
		primitives.WorkerService:   p.worker,
	}
}

// hosts tells each service where the others are. Static membership does without the gossip
// listeners of ringpop.
func (p portSet) hosts() map[primitives.ServiceName]static.Hosts {
	hosts := make(map[primitives.ServiceName]static.Hosts)
	for name, port := range p.byService() {
		hosts[name] = static.SingleLocalHost(hostPort(port))
	}
	return hosts
}

func hostPort(port int) string { return fmt.Sprintf("%s:%d", loopback, port) }

// serverConfig is the static configuration. What it leaves out stays off: metrics and profiling
// listeners, the HTTP API, TLS, archival, other clusters.
func serverConfig(db *config.SQL, ports portSet) *config.Config {
	services := make(map[string]config.Service)
	for name, port := range ports.byService() {
		// BindOnIP and not BindOnLocalHost: that one follows the LOCALHOST_IP variable.
		services[string(name)] = config.Service{RPC: config.RPC{GRPCPort: port, BindOnIP: loopback}}
	}
	return &config.Config{
		Global: config.Global{
			Membership: config.Membership{MaxJoinDuration: 30 * time.Second, BroadcastAddress: loopback},
		},
		Persistence: config.Persistence{
			DefaultStore:     sqlite.PluginName,
			VisibilityStore:  sqlite.PluginName,
			NumHistoryShards: 1,
			DataStores:       map[string]config.DataStore{sqlite.PluginName: {SQL: db}},
		},
		ClusterMetadata: &cluster.Config{
			FailoverVersionIncrement: 10,
			MasterClusterName:        clusterName,
			CurrentClusterName:       clusterName,
			ClusterInformation: map[string]cluster.ClusterInformation{
				clusterName: {Enabled: true, InitialFailoverVersion: 1, RPCAddress: hostPort(ports.frontend)},
			},
		},
		DCRedirectionPolicy: config.DCRedirectionPolicy{Policy: "noop"},
		Services:            services,
		Archival: config.Archival{
			History:    config.HistoryArchival{State: "disabled"},
			Visibility: config.VisibilityArchival{State: "disabled"},
		},
		NamespaceDefaults: config.NamespaceDefaults{Archival: config.ArchivalNamespaceDefaults{
			History:    config.HistoryArchivalNamespaceDefaults{State: "disabled"},
			Visibility: config.VisibilityArchivalNamespaceDefaults{State: "disabled"},
		}},
		PublicClient: config.PublicClient{HostPort: hostPort(ports.frontend)},
	}
}

// dynamicConfig makes the server small: the defaults are those of a cluster node with hundreds of
// tenants. Everything else keeps its default.
func dynamicConfig() dynamicconfig.StaticClient {
	return dynamicconfig.StaticClient{
		// One process answers for every partition, so more than one only costs memory.
		dynamicconfig.MatchingNumTaskqueueReadPartitions.Key():  1,
		dynamicconfig.MatchingNumTaskqueueWritePartitions.Key(): 1,

		// The first task of an activity comes with the answer to the workflow task: half the round trips.
		dynamicconfig.EnableActivityEagerExecution.Key(): true,

		// Goroutines per queue, started in advance; SQLite has one writer anyway.
		dynamicconfig.TransferProcessorSchedulerWorkerCount.Key():               32,
		dynamicconfig.TimerProcessorSchedulerWorkerCount.Key():                  32,
		dynamicconfig.VisibilityProcessorSchedulerWorkerCount.Key():             16,
		dynamicconfig.MemoryTimerProcessorSchedulerWorkerCount.Key():            8,
		dynamicconfig.ReplicationProcessorSchedulerWorkerCount.Key():            1,
		dynamicconfig.ReplicationLowPriorityProcessorSchedulerWorkerCount.Key(): 1,

		// Workflows kept in memory; the others are read from the file when they are needed.
		dynamicconfig.HistoryCacheHostLevelMaxSize.Key(): 512,
		// Events kept for replication to another cluster, in bytes.
		dynamicconfig.XDCCacheMaxSizeBytes.Key(): 64 << 10,

		// Latency averages that only metrics and the load shedding of a cluster would read.
		dynamicconfig.PersistenceHealthSignalMetricsEnabled.Key():     false,
		dynamicconfig.PersistenceHealthSignalAggregationEnabled.Key(): false,
		dynamicconfig.HistoryHealthSignalMetricsEnabled.Key():         false,

		// Nobody else changes namespaces, endpoints or cluster metadata: look seldom.
		dynamicconfig.NamespaceCacheRefreshInterval.Key():         10 * time.Second,
		dynamicconfig.ClusterMetadataRefreshInterval.Key():        10 * time.Minute,
		dynamicconfig.MatchingNexusEndpointsRefreshInterval.Key(): 10 * time.Minute,

		// Nexus needs the HTTP listener that we leave out.
		dynamicconfig.EnableNexus.Key(): false,

		// System workers that can be missed. Children of a closed parent are closed by the history
		// service itself then. The scanners remove the empty task queues of earlier workers and
		// histories orphaned by crashes, some hundred bytes each; the server never stops the workers
		// they run on, which would go on polling after Stop.
		dynamicconfig.EnableParentClosePolicyWorker.Key(): false,
		dynamicconfig.TaskQueueScannerEnabled.Key():       false,
		dynamicconfig.HistoryScannerEnabled.Key():         false,
		// The worker that runs schedules; one for each namespace.
		dynamicconfig.WorkerPerNamespaceWorkerOptions.Key(): sdkworker.Options{
			MaxConcurrentActivityExecutionSize:      20,
			MaxConcurrentLocalActivityExecutionSize: 20,
			MaxConcurrentWorkflowTaskExecutionSize:  20,
		},
	}
}
