#include "app/commands/explain_name.h"

#include <algorithm>

#include "app/commands/route_asker.h"
#include "app/commands/server_client.h"
#include "app/corefile/error.h"
#include "app/corefile/parser.h"
#include "app/explain/explanation_text.h"
#include "dns/wire/message_reader.h"
#include "registry/shown_text.h"

namespace clusterdns::app {
namespace {

// What is wrong with one object of the manifests is told, and the others are there.
void tell_findings(const OfflineServer& server, std::ostream& err) {
  for (const ClusterData& data : server.environment().clusters) {
    for (const auto& problem : data.source->findings())
      err << registry::printable(to_string(problem)) << "\n";
  }
}

// The same by a running server.
int explain_there(const ExplainOptions& options, bool colour, std::ostream& out) {
  ServerQuery query("explain");
  query.add("name", options.name);
  query.add("type", options.type);
  if (options.namespace_name) query.add("namespace", *options.namespace_name);
  if (options.client) query.add("client", options.client->to_string());
  Explanation explanation;
  read_replies(*options.server,
               [&] { explanation = explanation_from(ask_server(*options.server, query)); });
  out << (options.format == OutputFormat::Json ? explanation_json(explanation)
                                               : explanation_text(explanation, colour));
  return explanation.good() ? 0 : 1;
}

}  // namespace

int run_explain(const ExplainOptions& options, bool colour, std::ostream& out, std::ostream& err) {
  try {
    if (options.server) return explain_there(options, colour, out);
    const Corefile corefile = options.corefile
                                  ? load_corefile(*options.corefile)
                                  : parse_corefile(corefile_for_serve(options.cluster), "explain");
    OfflineServer server(corefile);
    tell_findings(server, err);
    ExplainRequest request;
    request.name = options.name;
    (void)dns::rrtype_from_text(options.type, &request.type);
    request.ns = options.namespace_name;
    if (options.client) request.client = options.client->to_string();
    server.set_client(request.client);
    // A pod's resolver searches by itself.
    if (request.ns) server.without_search();
    const Explanation explanation = explain(server.clusters(), server, request);
    out << (options.format == OutputFormat::Json ? explanation_json(explanation)
                                                 : explanation_text(explanation, colour));
    return explanation.good() ? 0 : 1;
  } catch (const std::exception& e) {
    err << "clusterdns: " << registry::printable(e.what(), "\n") << "\n";
    return 1;
  }
}

}  // namespace clusterdns::app
