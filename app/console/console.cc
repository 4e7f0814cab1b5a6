#include "app/console/console.h"

#include <utility>

#include "app/console/openapi.h"
#include "app/console/page_files.h"
#include "app/console/replies.h"
#include "app/directives/target_api.h"

namespace clusterdns::app {
namespace {

constexpr std::string_view kApi = "/api/v1/";
constexpr std::string_view kIndex = "index.html";

Gate::Options gate_options(const ConsolePlan& plan) {
  return {plan.token, plan.hosts, plan.allow_edit, plan.tls.has_value()};
}

}  // namespace

Console::Console(const ConsolePlan& plan, std::shared_ptr<ConsoleApi> api, const Console* before)
    : gate_(gate_options(plan), before == nullptr ? nullptr : &before->gate_),
      api_(std::move(api)) {
  const auto files = page_files();
  for (std::size_t i = 0; i < files.size(); ++i) {
    const Target target{Target::Kind::File, i};
    router_.add("GET", "/" + std::string(files[i].name), target);
    if (files[i].name == kIndex) router_.add("GET", "/", target);
  }
  router_.add("GET", std::string(kApi) + "openapi.json", Target{Target::Kind::Openapi});
  router_.add("POST", "/login", Target{Target::Kind::Login});
  for (const ConsoleApi::Path& path : ConsoleApi::paths()) {
    router_.add(path.method, std::string(kApi) + std::string(path.path),
                Target{Target::Kind::Api, 0, path.action, path.edits});
  }
}

std::optional<HttpReply> Console::check(const HttpRequest& head) {
  if (auto refused = gate_.check_host(head)) return refused;
  const auto match = router_.find(head.method, head.path);
  if (!match.known) {
    // Without a page there still is a way to log in.
    if (head.path == "/" && !gate_.options().token.empty() &&
        (head.method == "GET" || head.method == "HEAD")) {
      if (auto refused = gate_.check_token(head)) return refused;
    }
    return problem_reply(404, "there is nothing here; the API is at /api/v1/");
  }
  if (head.method == "OPTIONS") {
    HttpReply reply{204, "", ""};
    reply.headers.emplace_back("Allow", match.allow);
    return reply;
  }
  if (match.handler == nullptr) {
    HttpReply reply = problem_reply(405, "this path takes " + match.allow);
    reply.headers.emplace_back("Allow", match.allow);
    return reply;
  }
  const Target& target = *match.handler;
  if (target.kind != Target::Kind::Login) {
    if (auto refused = gate_.check_token(head)) return refused;
  }
  // Whatever changes something.
  if (head.method != "GET" && head.method != "HEAD") {
    if (auto refused = gate_.check_origin(head)) return refused;
  }
  if (target.edits) {
    if (auto refused = gate_.check_edit()) return refused;
  }
  return std::nullopt;
}

std::size_t Console::body_limit(const HttpRequest& head) const {
  const bool scenario = head.method == "PUT" && head.path.starts_with("/api/v1/scenarios/");
  return scenario ? kScenarioOctets : HttpApp::body_limit(head);
}

void Console::handle(HttpRequest request, std::shared_ptr<HttpResponder> responder) {
  const auto match = router_.find(request.method, request.path);
  if (match.handler == nullptr) return;  // check() has refused it
  switch (match.handler->kind) {
    case Target::Kind::Login: return responder->reply(gate_.log_in(request));
    case Target::Kind::Api:
      return api_->start(match.handler->action, std::move(request), std::move(responder));
    case Target::Kind::Openapi: {
      HttpReply reply{200, std::string(openapi_text()), "application/json"};
      add_etag(reply, request.header_or_empty("if-none-match"));
      compress(reply, request.header_or_empty("accept-encoding"));
      return responder->reply(std::move(reply));
    }
    case Target::Kind::File: {
      const PageFile& file = page_files()[match.handler->file];
      HttpReply reply{200, std::string(file.text), std::string(content_type_of(file.name))};
      add_etag(reply, request.header_or_empty("if-none-match"));
      compress(reply, request.header_or_empty("accept-encoding"));
      return responder->reply(std::move(reply));
    }
  }
}

HttpReply Console::refusal(unsigned status, std::string why) const {
  return problem_reply(status, why);
}

void Console::complete(HttpReply& reply) const { add_safety_headers(reply); }

}  // namespace clusterdns::app
