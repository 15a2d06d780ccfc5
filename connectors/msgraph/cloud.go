package msgraph

import (
	"net/url"

	azcloud "github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
)

// A cloud fixes token authority, Graph root and scope together: tokens are not interchangeable
// between clouds (GS-CL-1).
type cloud struct {
	authority string
	root      string // without the version
}

// clouds by the value of the cloud key; the empty one is global.
func clouds(name string) (cloud, bool) {
	switch name {
	case "", "global": // also GCC
		return cloud{"https://login.microsoftonline.com/", "https://graph.microsoft.com"}, true
	case "usGovL4": // GCC High
		return cloud{"https://login.microsoftonline.us/", "https://graph.microsoft.us"}, true
	case "usGovDoD":
		return cloud{"https://login.microsoftonline.us/", "https://dod-graph.microsoft.us"}, true
	case "china":
		return cloud{"https://login.chinacloudapi.cn/", "https://microsoftgraph.chinacloudapi.cn"}, true
	}
	return cloud{}, false
}

// scopeOf derives the token scope from the Graph root, so that a token is always meant for the host
// it is sent to (GS-AU-1).
func scopeOf(root *url.URL) string { return root.Scheme + "://" + root.Host + "/.default" }

func (c cloud) configuration() azcloud.Configuration {
	return azcloud.Configuration{ActiveDirectoryAuthorityHost: c.authority, Services: map[azcloud.ServiceName]azcloud.ServiceConfiguration{}}
}
