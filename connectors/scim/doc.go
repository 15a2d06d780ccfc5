// Package scim is the target connector for applications that speak SCIM 2.0 (RFC 7643, RFC 7644).
//
// It turns the calls of [engine.Target] into requests and whatever comes back into the closed set
// of outcomes of package engine. Two wire profiles exist: "entra" sends what the Microsoft Entra
// provisioning service sends, in its two PATCH dialects, so that an application built against that
// service needs no change; "rfc7644" sends what the RFC prescribes and nothing else. Answers are
// read leniently in both.
//
// What it promises: no create is ever sent blindly a second time, no removal of members is sent in
// a form that could empty a group without a guard, an account is disabled alone and first, writes to
// one object follow each other, and a server that asks for patience is left alone by all callers.
//
// What it does not know: mappings, scopes, schedules, links. It decides nothing about people.
//
// Section numbers in comments point into the specification of the SCIM target.
package scim
