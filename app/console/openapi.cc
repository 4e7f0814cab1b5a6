#include "app/console/openapi.h"

namespace clusterdns::app {

std::string_view openapi_text() {
  return R"json({
  "openapi": "3.1.0",
  "info": {"title": "clusterdns", "version": "1", "summary": "What a DNS server for clusters knows"},
  "servers": [{"url": "/api/v1"}],
  "security": [{}, {"token": []}, {"session": []}],
  "paths": {
    "/status": {"get": {"summary": "How the server is", "responses": {
      "200": {"description": "its state", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Status"}}}},
      "default": {"$ref": "#/components/responses/Problem"}}}},
    "/history": {"get": {"summary": "The past of the figures, as the charts show it", "responses": {
      "200": {"description": "points, oldest first", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/History"}}}},
      "default": {"$ref": "#/components/responses/Problem"}}}},
    "/services": {"get": {"summary": "Services", "parameters": [
      {"$ref": "#/components/parameters/namespace"}, {"$ref": "#/components/parameters/q"}, {"$ref": "#/components/parameters/kind"},
      {"$ref": "#/components/parameters/limit"}, {"$ref": "#/components/parameters/cursor"}], "responses": {
      "200": {"description": "a page of them", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Services"}}}},
      "304": {"description": "as the client has it"},
      "default": {"$ref": "#/components/responses/Problem"}}}},
    "/hosts": {"get": {"summary": "Hosts of gateways", "parameters": [
      {"$ref": "#/components/parameters/namespace"}, {"$ref": "#/components/parameters/q"}, {"$ref": "#/components/parameters/kind"},
      {"$ref": "#/components/parameters/limit"}, {"$ref": "#/components/parameters/cursor"}], "responses": {
      "200": {"description": "a page of them", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Hosts"}}}},
      "304": {"description": "as the client has it"},
      "default": {"$ref": "#/components/responses/Problem"}}}},
    "/names": {"get": {"summary": "Names and their records", "parameters": [
      {"$ref": "#/components/parameters/namespace"}, {"$ref": "#/components/parameters/q"}, {"$ref": "#/components/parameters/kind"},
      {"$ref": "#/components/parameters/limit"}, {"$ref": "#/components/parameters/cursor"}], "responses": {
      "200": {"description": "a page of them", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Names"}}}},
      "304": {"description": "as the client has it"},
      "default": {"$ref": "#/components/responses/Problem"}}}},
    "/explain": {"get": {"summary": "Why a name resolves as it does", "parameters": [
      {"name": "name", "in": "query", "required": true, "schema": {"type": "string"}},
      {"name": "type", "in": "query", "schema": {"type": "string", "default": "A"}},
      {"$ref": "#/components/parameters/namespace"},
      {"name": "client", "in": "query", "schema": {"type": "string", "default": "127.0.0.1"}}], "responses": {
      "200": {"description": "the chain, the answer and the problems", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Explanation"}}}},
      "304": {"description": "as the client has it"},
      "default": {"$ref": "#/components/responses/Problem"}}}},
    "/problems": {"get": {"summary": "What is wrong with the objects", "parameters": [
      {"$ref": "#/components/parameters/limit"}, {"$ref": "#/components/parameters/cursor"}], "responses": {
      "200": {"description": "a page of it", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Problems"}}}},
      "304": {"description": "as the client has it"},
      "default": {"$ref": "#/components/responses/Problem"}}}},
    "/upstreams": {"get": {"summary": "Whom `forward` asks", "responses": {
      "200": {"description": "all of them", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Upstreams"}}}},
      "304": {"description": "as the client has it"},
      "default": {"$ref": "#/components/responses/Problem"}}}},
    "/config": {"get": {"summary": "The Corefile", "responses": {
      "200": {"description": "as it stands on disk", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Config"}}}},
      "304": {"description": "as the client has it"},
      "default": {"$ref": "#/components/responses/Problem"}}}},
    "/changes": {"get": {"summary": "What changes in the cluster, as it happens", "responses": {
      "200": {"description": "a stream", "content": {"text/event-stream": {"schema": {"type": "string"}},
        "application/x-ndjson": {"schema": {"$ref": "#/components/schemas/Change"}}}},
      "default": {"$ref": "#/components/responses/Problem"}}}},
    "/queries": {"get": {"summary": "What is asked, as it happens", "responses": {
      "200": {"description": "a stream", "content": {"text/event-stream": {"schema": {"type": "string"}},
        "application/x-ndjson": {"schema": {"$ref": "#/components/schemas/Query"}}}},
      "default": {"$ref": "#/components/responses/Problem"}}}},
    "/wait": {"get": {"summary": "Waits until a name resolves", "parameters": [
      {"name": "name", "in": "query", "required": true, "schema": {"type": "string"}},
      {"name": "type", "in": "query", "schema": {"type": "string"}},
      {"name": "address", "in": "query", "schema": {"type": "string"}},
      {"name": "timeout", "in": "query", "schema": {"type": "string", "default": "30s"}}], "responses": {
      "200": {"description": "it does", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Resolved"}}}},
      "504": {"$ref": "#/components/responses/Problem"},
      "default": {"$ref": "#/components/responses/Problem"}}}},
    "/reload": {"post": {"summary": "Reads the configuration again", "responses": {
      "200": {"description": "what came of it", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Reloaded"}}}},
      "default": {"$ref": "#/components/responses/Problem"}}}},
    "/cache": {"get": {"summary": "Answers of upstreams that are kept", "parameters": [
      {"name": "name", "in": "query", "schema": {"type": "string"}},
      {"$ref": "#/components/parameters/limit"}, {"$ref": "#/components/parameters/cursor"}], "responses": {
      "200": {"description": "a page of them", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Cached"}}}},
      "default": {"$ref": "#/components/responses/Problem"}}}},
    "/cache/flush": {"post": {"summary": "Forgets answers of upstreams", "parameters": [
      {"name": "name", "in": "query", "schema": {"type": "string"}}], "responses": {
      "200": {"description": "how many", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Flushed"}}}},
      "default": {"$ref": "#/components/responses/Problem"}}}},
    "/evidence": {"get": {"summary": "What each client asked (`evidence`)", "parameters": [
      {"name": "client", "in": "query", "schema": {"type": "string"}},
      {"name": "name", "in": "query", "schema": {"type": "string"}},
      {"name": "type", "in": "query", "schema": {"type": "string"}}], "responses": {
      "200": {"description": "by client", "content": {"application/json": {"schema": {"type": "object"}}}},
      "304": {"description": "as the client has it"},
      "default": {"$ref": "#/components/responses/Problem"}}},
      "delete": {"summary": "Forgets it", "responses": {
      "2XX": {"description": "nothing is left"}, "default": {"$ref": "#/components/responses/Problem"}}}},
    "/scenarios": {"get": {"summary": "Scenarios of `fault`", "responses": {
      "200": {"description": "all of them", "content": {"application/json": {"schema": {"type": "object"}}}},
      "304": {"description": "as the client has it"},
      "default": {"$ref": "#/components/responses/Problem"}}}},
    "/scenarios/{name}": {"parameters": [{"name": "name", "in": "path", "required": true, "schema": {"type": "string"}}],
      "put": {"summary": "Loads one, in YAML", "responses": {
      "2XX": {"description": "it is there"}, "default": {"$ref": "#/components/responses/Problem"}}},
      "delete": {"summary": "Removes one", "responses": {
      "2XX": {"description": "it is gone"}, "default": {"$ref": "#/components/responses/Problem"}}}},
    "/scenarios/{name}/{verb}": {"parameters": [{"name": "name", "in": "path", "required": true, "schema": {"type": "string"}},
      {"name": "verb", "in": "path", "required": true, "schema": {"enum": ["start", "stop", "reset"]}}],
      "post": {"summary": "Starts, stops or resets one", "responses": {
      "2XX": {"description": "it is done"}, "default": {"$ref": "#/components/responses/Problem"}}}},
    "/seed": {"get": {"summary": "The seed of chances", "responses": {
      "200": {"description": "the seed", "content": {"application/json": {"schema": {"type": "object"}}}},
      "304": {"description": "as the client has it"},
      "default": {"$ref": "#/components/responses/Problem"}}},
      "put": {"summary": "Sets it", "responses": {
      "2XX": {"description": "the seed"}, "default": {"$ref": "#/components/responses/Problem"}}}},
    "/openapi.json": {"get": {"summary": "This description", "responses": {
      "200": {"description": "this description", "content": {"application/json": {"schema": {"type": "object"}}}}}}}
  },
  "components": {
    "securitySchemes": {
      "token": {"type": "http", "scheme": "bearer"},
      "session": {"type": "apiKey", "in": "cookie", "name": "console"}},
    "parameters": {
      "namespace": {"name": "namespace", "in": "query", "schema": {"type": "string"}},
      "q": {"name": "q", "in": "query", "schema": {"type": "string"}},
      "kind": {"name": "kind", "in": "query", "schema": {"type": "string"}},
      "limit": {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "default": 500}},
      "cursor": {"name": "cursor", "in": "query", "schema": {"type": "string"}}},
    "responses": {
      "Problem": {"description": "why not", "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}}},
    "schemas": {
      "Strings": {"type": "array", "items": {"type": "string"}},
      "Text": {"type": ["string", "null"]},
      "Problem": {"type": "object", "required": ["type", "title", "status", "detail"], "properties": {
        "type": {"type": "string"}, "title": {"type": "string"}, "status": {"type": "integer"}, "detail": {"type": "string"}}},
      "Status": {"type": "object", "required": ["version", "uptime_s", "ready", "sources", "zones", "listeners", "queries_total", "p50_ms", "p99_ms", "cache_hit_ratio", "warnings"], "properties": {
        "version": {"type": "string"}, "uptime_s": {"type": "number"}, "ready": {"type": "boolean"},
        "sources": {"type": "array", "items": {"type": "object", "required": ["kind", "in_sync", "age_s", "objects"], "properties": {
          "kind": {"type": "string"}, "in_sync": {"type": "boolean"}, "age_s": {"type": "number"}, "objects": {"type": "integer"}}}},
        "zones": {"$ref": "#/components/schemas/Strings"}, "listeners": {"$ref": "#/components/schemas/Strings"},
        "queries_total": {"type": "integer"},
        "p50_ms": {"$ref": "#/components/schemas/Measured"}, "p99_ms": {"$ref": "#/components/schemas/Measured"},
        "cache_hit_ratio": {"$ref": "#/components/schemas/Measured"},
        "warnings": {"type": "array", "items": {"type": "object", "required": ["code", "text", "name"], "properties": {
          "code": {"type": "string"}, "text": {"type": "string"}, "name": {"$ref": "#/components/schemas/Text"}}}}}},
      "Measured": {"type": ["number", "null"], "description": "null: nothing was measured"},
      "History": {"type": "object", "required": ["span_s", "interval_s", "items"], "properties": {
        "span_s": {"type": "number"}, "interval_s": {"type": "number"},
        "items": {"type": "array", "items": {"type": "object", "required": ["time", "queries_per_second", "p50_ms", "p99_ms", "cache_hit_ratio", "watch_age_s", "objects"], "properties": {
          "time": {"type": "number"}, "queries_per_second": {"$ref": "#/components/schemas/Measured"},
          "p50_ms": {"$ref": "#/components/schemas/Measured"}, "p99_ms": {"$ref": "#/components/schemas/Measured"},
          "cache_hit_ratio": {"$ref": "#/components/schemas/Measured"}, "watch_age_s": {"$ref": "#/components/schemas/Measured"},
          "objects": {"type": "integer"}}}}}},
      "Services": {"type": "object", "required": ["items", "total", "next"], "properties": {
        "items": {"type": "array", "items": {"$ref": "#/components/schemas/Service"}},
        "total": {"type": "integer"}, "next": {"$ref": "#/components/schemas/Text"}}},
      "Service": {"type": "object", "required": ["namespace", "name", "type", "addresses", "ports", "endpoints", "names", "state"], "properties": {
        "namespace": {"type": "string"}, "name": {"type": "string"}, "type": {"type": "string"},
        "addresses": {"$ref": "#/components/schemas/Strings"}, "ports": {"$ref": "#/components/schemas/Strings"},
        "endpoints": {"$ref": "#/components/schemas/Strings"}, "externalName": {"type": "string"},
        "names": {"$ref": "#/components/schemas/Strings"},
        "state": {"enum": ["ok", "no endpoints", "not ready", "problem"]}}},
      "Hosts": {"type": "object", "required": ["items", "total", "next"], "properties": {
        "items": {"type": "array", "items": {"$ref": "#/components/schemas/Host"}},
        "total": {"type": "integer"}, "next": {"$ref": "#/components/schemas/Text"}}},
      "Host": {"type": "object", "required": ["host", "kind", "namespace", "name", "gateway", "addresses", "routed_to", "state"], "properties": {
        "host": {"type": "string"}, "kind": {"type": "string"}, "namespace": {"type": "string"}, "name": {"type": "string"},
        "gateway": {"type": "string"}, "addresses": {"$ref": "#/components/schemas/Strings"}, "missing": {"type": "string"},
        "routed_to": {"$ref": "#/components/schemas/Strings"}, "state": {"enum": ["ok", "no address", "problem"]}}},
      "Names": {"type": "object", "required": ["items", "total", "next"], "properties": {
        "items": {"type": "array", "items": {"type": "object", "required": ["name", "records"], "properties": {
          "name": {"type": "string"}, "records": {"type": "array", "items": {"type": "object", "required": ["type", "ttl", "data"], "properties": {
            "type": {"type": "string"}, "ttl": {"type": "integer"}, "data": {"type": "string"}}}}}}},
        "total": {"type": "integer"}, "next": {"$ref": "#/components/schemas/Text"}}},
      "Record": {"type": "object", "required": ["name", "type", "ttl", "data"], "properties": {
        "name": {"type": "string"}, "type": {"type": "string"}, "ttl": {"type": "integer"}, "data": {"type": "string"}}},
      "Finding": {"type": "object", "required": ["severity", "text"], "properties": {
        "code": {"type": "string"}, "severity": {"enum": ["error", "warning", "info"]},
        "object": {"type": "object", "required": ["kind", "namespace", "name"], "properties": {
          "kind": {"type": "string"}, "namespace": {"$ref": "#/components/schemas/Text"}, "name": {"type": "string"}}},
        "text": {"type": "string"}, "fix": {"type": "string"},
        "file": {"type": "string"}, "line": {"type": "integer"}, "column": {"type": "integer"}}},
      "Explanation": {"type": "object", "required": ["question", "answer", "tried", "objects", "problems"], "properties": {
        "question": {"type": "object", "required": ["name", "type", "client", "namespace"], "properties": {
          "name": {"type": "string"}, "type": {"type": "string"}, "client": {"type": "string"}, "namespace": {"$ref": "#/components/schemas/Text"}}},
        "answer": {"type": "object", "required": ["rcode", "stage", "records", "error", "upstream"], "properties": {
          "rcode": {"type": "string"}, "stage": {"$ref": "#/components/schemas/Text"},
          "records": {"type": "array", "items": {"$ref": "#/components/schemas/Record"}},
          "error": {"$ref": "#/components/schemas/Text"}, "upstream": {"$ref": "#/components/schemas/Text"},
          "age_s": {"type": ["integer", "null"]}}},
        "tried": {"type": "array", "items": {"type": "object", "required": ["name", "rcode"], "properties": {
          "name": {"type": "string"}, "rcode": {"type": "string"}}}},
        "objects": {"type": "array", "items": {"type": "object", "required": ["kind", "group", "namespace", "name", "role", "detail", "source"], "properties": {
          "kind": {"type": "string"}, "group": {"type": "string"}, "namespace": {"type": "string"}, "name": {"type": "string"},
          "role": {"enum": ["accepts", "routes", "rival", "address", "destination", "policy", "slice", "pod", "entry", "scope"]},
          "detail": {"type": "string"}, "source": {"type": "string"},
          "created": {"type": ["string", "null"], "format": "date-time"}}}},
        "problems": {"type": "array", "items": {"$ref": "#/components/schemas/Finding"}},
        "truncated": {"type": "boolean", "description": "there is more than is shown"}}},
      "Problems": {"type": "object", "required": ["problems", "errors", "warnings", "next", "truncated"], "properties": {
        "problems": {"type": "array", "items": {"$ref": "#/components/schemas/Finding"}},
        "errors": {"type": "integer"}, "warnings": {"type": "integer"}, "next": {"$ref": "#/components/schemas/Text"},
        "truncated": {"type": "boolean", "description": "a bound was reached: there are more than are told and counted"}}},
      "Upstreams": {"type": "object", "required": ["items"], "properties": {
        "items": {"type": "array", "items": {"type": "object", "required": ["address", "state", "latency_ms", "requests", "failures", "loop"], "properties": {
          "address": {"type": "string"}, "state": {"enum": ["up", "down"]}, "latency_ms": {"type": ["number", "null"]},
          "requests": {"type": "integer"}, "failures": {"type": "integer"}, "loop": {"type": "boolean"}}}}}},
      "Config": {"type": "object", "required": ["corefile", "loaded", "error"], "properties": {
        "corefile": {"type": "string"}, "loaded": {"type": "number"}, "error": {"$ref": "#/components/schemas/Text"}}},
      "Change": {"type": "object", "properties": {
        "time": {"type": "number"}, "kind": {"type": "string"}, "namespace": {"type": "string"}, "name": {"type": "string"},
        "change": {"enum": ["added", "changed", "removed"]}, "what": {"$ref": "#/components/schemas/Strings"}, "dropped": {"type": "integer"}}},
      "Query": {"type": "object", "properties": {
        "time": {"type": "number"}, "client": {"type": "string"}, "port": {"type": "integer"}, "transport": {"enum": ["udp", "tcp"]},
        "name": {"type": "string"}, "type": {"type": "string"}, "rcode": {"type": "string"}, "ms": {"type": "number"},
        "dropped": {"type": "integer"}, "sampled": {"type": "boolean"}, "skipped": {"type": "integer"}}},
      "Resolved": {"type": "object", "required": ["name", "records"], "properties": {
        "name": {"type": "string"}, "records": {"type": "array", "items": {"$ref": "#/components/schemas/Record"}}}},
      "Reloaded": {"type": "object", "required": ["error"], "properties": {"error": {"$ref": "#/components/schemas/Text"}}},
      "Cached": {"type": "object", "required": ["items", "next"], "properties": {
        "items": {"type": "array", "items": {"type": "object", "required": ["server", "name", "type", "rcode", "ttl", "age", "stale", "dnssec", "octets", "records"], "properties": {
          "server": {"type": "string"}, "name": {"type": "string"}, "type": {"type": "string"}, "rcode": {"type": "string"},
          "ttl": {"type": "integer"}, "age": {"type": "integer"}, "stale": {"type": "boolean"}, "dnssec": {"type": "boolean"},
          "octets": {"type": "integer"}, "records": {"type": "array", "items": {"$ref": "#/components/schemas/Record"}}}}},
        "next": {"$ref": "#/components/schemas/Text"}}},
      "Flushed": {"type": "object", "required": ["flushed"], "properties": {"flushed": {"type": "integer"}}}
    }
  }
}
)json";
}

}  // namespace clusterdns::app
