package web

// root is where the API lives.
const root = "/api/v1"
