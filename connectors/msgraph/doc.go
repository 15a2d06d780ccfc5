// Package msgraph reads a Microsoft Entra directory through Microsoft Graph: it is the
// [engine.Source] of jobs whose source type is msgraph.
//
// Users and groups come as delta feeds, from which each round continues where the last one ended;
// who is assigned to the application has no delta and is read whole in every round. An idle cycle
// costs four requests. The rules, with their ids (GS-…), are those of the specification
// "Source connector: Microsoft Graph directory"; comments name them where code follows one.
//
// Requests go through the request adapter of the official SDK, below its generated models: the
// models cannot tell an absent property from one that is null, and accept documents that were cut.
// Bodies are decoded here into absent, null and value, strictly. Nothing in the SDK repeats a
// request, follows a redirect or adds headers; that is done in client.go, where also every answer is
// classified. A link that Graph gave is sent back byte for byte, to the configured host only.
//
// Single objects are read with everything about them for provisioning on demand, from places that need no further
// permission and no index that is behind: lists are not cast or filtered by relation, and types are told apart here.
//
// The package decides nothing about people. It writes nothing to the directory.
package msgraph
