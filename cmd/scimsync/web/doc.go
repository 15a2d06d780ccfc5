// Package web serves the admin API of scimsync and holds a client for it.
//
// The API has two faces of one thing. Below /api/v1/servicePrincipals/{connection}/synchronization it follows the
// synchronization API of Microsoft Graph, so that scripts and the official client libraries written for Entra
// carry over (synchronization-api.md). Below /api/v1/jobs/{job} the same operations have a short form, with
// more beside them in plain shapes: plans, held deletions, failures, links, drift, logs, events.
//
// The package reads the [engine.Store] directly, in pages, and asks a [Backend] for everything that changes
// something or needs a connection. It knows neither connectors nor Temporal nor the configuration file. The file
// is the truth about settings: a call that would change one is refused and names the key to edit.
//
// Every request but /healthz, /readyz and the OpenAPI document needs a bearer token, and every operation a [Role].
// Tokens, secrets and personal data never go into the process log.
package web
