#include "app/commands/hosts.h"

#include <vector>

#include "app/commands/listing.h"
#include "app/commands/route_asker.h"
#include "app/commands/server_client.h"
#include "app/corefile/error.h"
#include "app/corefile/parser.h"
#include "app/views/host_rows.h"
#include "registry/shown_text.h"

namespace clusterdns::app {
namespace {

void print_table(const std::vector<HostRow>& rows, std::ostream& out) {
  constexpr std::size_t kShown = 4;
  std::vector<std::vector<std::string>> lines{
      {"HOST", "SOURCE", "GATEWAY", "ADDRESSES", "ROUTED TO"}};
  for (const HostRow& row : rows) {
    lines.push_back({row.host, row.kind + " " + row.object.ns + "/" + row.object.name, row.gateway,
                     join_words(row.addresses, kShown), join_words(row.routed_to, kShown)});
  }
  print_columns(lines, out);
}

void print(const std::vector<HostRow>& rows, OutputFormat format, std::ostream& out) {
  if (format == OutputFormat::Table) {
    print_table(rows, out);
  } else {
    print_list(rows, host_value, format, out);
  }
}

}  // namespace

int run_hosts(const HostsOptions& options, std::ostream& out, std::ostream& err) {
  try {
    if (options.server) {
      std::vector<HostRow> rows;
      ServerQuery query("hosts");
      if (options.namespace_name) query.add("namespace", *options.namespace_name);
      read_replies(*options.server, [&] {
        for (const auto& item : list_of_server(*options.server, query)) {
          rows.push_back(host_row_from(item));
        }
      });
      print(rows, options.format, out);
      return 0;
    }
    const OfflineServer server(options.corefile
                                   ? load_corefile(*options.corefile)
                                   : parse_corefile(corefile_for_serve(options.cluster), "hosts"));
    for (const ClusterData& data : server.environment().clusters) {
      for (const auto& problem : data.source->findings())
        err << registry::printable(to_string(problem)) << "\n";
    }
    std::vector<HostRow> rows = host_rows(server.environment().gateways);
    if (options.namespace_name) {
      require_namespace("hosts", *options.namespace_name, server.environment());
      std::erase_if(rows,
                    [&](const HostRow& row) { return row.object.ns != *options.namespace_name; });
    }
    print(rows, options.format, out);
    return 0;
  } catch (const std::exception& e) {
    err << "clusterdns: " << registry::printable(e.what(), "\n") << "\n";
    return 1;
  }
}

}  // namespace clusterdns::app
