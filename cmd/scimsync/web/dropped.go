package web

import (
	"context"
	"net/http"
	"strings"
)

func (a *API) registerDropped() {
	not := func(id string, p place, method, path, why string) {
		handle(a, operation{id: id, place: p, method: method, path: path, summary: "Not implemented", about: why, role: RoleViewer, errors: []int{501}},
			func(context.Context, *call, *none) (*struct{}, error) {
				return nil, problem(http.StatusNotImplemented, codeNotImplemented, why)
			})
	}
	not("acquire-access-token", atConnection, http.MethodPost, "/acquireAccessToken", "Tokens of the target are obtained by the service itself: set target.auth in the configuration file.")
	const inbound = "Bulk upload serves inbound scenarios, which there are none of here."
	for _, m := range []string{http.MethodGet, http.MethodPatch, http.MethodPut, http.MethodDelete} {
		low := strings.ToLower(m)
		not(low+"-bulk-upload", atJob, m, "/bulkUpload", inbound)
		not(low+"-bulk-upload-value", atJob, m, "/bulkUpload/$value", inbound)
	}
	not("discover-directory", atJob, http.MethodPost, "/schema/directories/{directory}/discover", "The attributes of a directory are those of its definition in the schema; they are not read from the system itself.")
	const applications = "Templates belong to the connection: use /servicePrincipals/{connection}/synchronization/templates."
	not("list-application-templates", atRoot, http.MethodGet, "/applications/{application}/synchronization/templates", applications)
	not("show-application-template", atRoot, http.MethodGet, "/applications/{application}/synchronization/templates/{template}", applications)
	const connections = "Connections are made in the configuration file: a job with its source and target."
	for _, m := range []string{http.MethodGet, http.MethodPut, http.MethodDelete} {
		not(strings.ToLower(m)+"-connection", atRoot, m, "/connections/{id}", connections)
	}
}
