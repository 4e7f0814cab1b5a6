// docs/limits.md says what the program has.
#include <fstream>
#include <map>
#include <string>

#include <gtest/gtest.h>

#include "app/admin/http_server.h"
#include "app/console/api.h"
#include "app/console/gate.h"
#include "app/corefile/limits.h"
#include "app/directives/auto_scan.h"
#include "app/directives/dnssec.h"
#include "app/directives/etcd_client.h"
#include "app/directives/etcd_source.h"
#include "app/directives/fault_control.h"
#include "app/directives/fault_rule.h"
#include "app/directives/hosts_file.h"
#include "app/directives/notifier.h"
#include "app/directives/secondary_zones.h"
#include "app/directives/target_api.h"
#include "app/directives/tsig.h"
#include "app/directives/zone_keys.h"
#include "app/log/log_queue.h"
#include "app/node/kube_dns_config.h"
#include "dns/cache/answer_cache.h"
#include "dns/expr/expr.h"
#include "dns/forward/socket_transport.h"
#include "dns/forward/upstream_address.h"
#include "dns/forward/upstream_channel.h"
#include "dns/hosts/hosts_table.h"
#include "dns/http/http_session.h"
#include "dns/net/resolv_conf.h"
#include "dns/policy/geoip_stage.h"
#include "dns/query/answer.h"
#include "dns/query/exchange.h"
#include "dns/query/expression.h"
#include "dns/server/responder.h"
#include "dns/server/server.h"
#include "dns/server/tcp_connection.h"
#include "dns/shape/dnssec_stage.h"
#include "dns/shape/shape_stages.h"
#include "dns/tap/tap.h"
#include "dns/target/evidence.h"
#include "dns/template/go_template.h"
#include "dns/wire/query_parser.h"
#include "registry/gateway_set.h"
#include "registry/gateways/addresses.h"
#include "registry/gateways/plan.h"
#include "registry/kubernetes/api_connection.h"
#include "registry/kubernetes/body_reader.h"
#include "registry/kubernetes/config.h"
#include "registry/kubernetes/exec_plugin.h"
#include "registry/kubernetes/keeper.h"
#include "registry/kubernetes/snapshot.h"
#include "registry/manifests/controllers.h"
#include "registry/manifests/document_reader.h"
#include "registry/manifests/object_reader.h"
#include "zones/file/skydns_table.h"
#include "zones/file/transfer_reader.h"
#include "zones/file/transfer_stage.h"
#include "zones/file/zone_reader.h"
#include "zones/file/zone_writers.h"
#include "zones/host_table.h"
#include "zones/service_block.h"

namespace clusterdns::app {
namespace {

template <class Number>
std::string text(Number number) {
  return std::to_string(number);
}

// By the name in the table.
std::map<std::string, std::string> limits() {
  const dns::TcpLimits tcp;
  return {
      {"kMaxDelayedOctets", text(dns::kMaxDelayedOctets)},
      {"kGeoipSubnets", text(dns::kGeoipSubnets)},
      {"DnssecStage::kMaxKeys", text(dns::DnssecStage::kMaxKeys)},
      {"kMaxZoneKeys", text(kMaxZoneKeys)},
      {"kMaxKeyFile", text(kMaxKeyFile)},
      {"kMaxSignatures", text(kMaxSignatures)},
      {"SignatureCache::kOverhead", text(dns::SignatureCache::kOverhead)},
      {"DnssecStage::kMaxMade", text(dns::DnssecStage::kMaxMade)},
      {"DnssecStage::kMaxAdditional", text(dns::DnssecStage::kMaxAdditional)},
      {"DnssecStage::kBurst", text(dns::DnssecStage::kBurst)},
      {"kMaxTsigKeys", text(kMaxTsigKeys)},
      {"kMaxTsigFile", text(kMaxTsigFile)},
      {"kMaxUnsigned", text(dns::kMaxUnsigned)},
      {"kMaxFaultCounts", text(dns::kMaxFaultCounts)},
      {"kMaxLookups", text(dns::kMaxLookups)},
      {"kMaxFaultRules", text(kMaxFaultRules)},
      {"kMaxScenarios", text(kMaxScenarios)},
      {"kMaxEvidenceNames", text(dns::kMaxEvidenceNames)},
      {"kMaxEvidenceClients", text(dns::kMaxEvidenceClients)},
      {"kMaxEvidenceOctets", text(dns::kMaxEvidenceOctets)},
      {"kMaxEvidencePorts", text(dns::kMaxEvidencePorts)},
      {"kMaxEvidenceKinds", text(dns::kMaxEvidenceKinds)},
      {"kMaxUdpRequest", text(dns::kMaxUdpRequest)},
      {"kMaxQueryRecords", text(dns::kMaxQueryRecords)},
      {"kUdpReceiveBuffers", text(dns::kUdpReceiveBuffers)},
      {"kTcpConnections", text(dns::kTcpConnections)},
      {"TcpLimits::max_connections", text(tcp.max_connections)},
      {"TcpLimits::held_octets", text(tcp.held_octets)},
      {"TcpLimits::idle_seconds", text(tcp.idle_seconds)},
      {"TcpLimits::stall_seconds", text(tcp.stall_seconds)},
      {"kTcpOutputHigh", text(dns::kTcpOutputHigh)},
      {"kTcpOutputMost", text(dns::kTcpOutputMost)},
      {"kTcpInFlight", text(dns::kTcpInFlight)},
      {"Exchange::kMaxOthers", text(dns::Exchange::kMaxOthers)},
      {"kTlsHandshake", text(dns::kTlsHandshake)},
      {"TlsStream::kHelloMost", text(dns::TlsStream::kHelloMost)},
      {"kTlsIdle", text(dns::kTlsIdle)},
      {"kDohStreams", text(dns::kDohStreams)},
      {"kDohStreamsMost", text(dns::kDohStreamsMost)},
      {"kDohHead", text(dns::kDohHead)},
      {"kDohHeaderBlock", text(dns::kDohHeaderBlock)},
      {"kDohBodies", text(dns::kDohBodies)},
      {"kDohSession", text(dns::kDohSession)},
      {"kDohFrames", text(dns::kDohFrames)},
      {"kDohFramesForRequest", text(dns::kDohFramesForRequest)},
      {"kDohFramesMost", text(dns::kDohFramesMost)},
      {"kDohResets", text(dns::kDohResets)},
      {"kHttpConnections", text(kHttpConnections)},
      {"kTapOctets", text(dns::kTapOctets)},
      {"kTapOctetsMost", text(dns::kTapOctetsMost)},
      {"kHttpHead", text(kHttpHead)},
      {"kHttpBody", text(kHttpBody)},
      {"kScenarioOctets", text(kScenarioOctets)},
      {"kConsolePageOctets", text(kConsolePageOctets)},
      {"kViewOctets", text(kViewOctets)},
      {"kViewFindingOctets", text(kViewFindingOctets)},
      {"kMaxExplained", text(kMaxExplained)},
      {"kMaxExplainedDetail", text(kMaxExplainedDetail)},
      {"kHttpHeld", text(kHttpHeld)},
      {"kHttpParameters", text(kHttpParameters)},
      {"kConsoleStreams", text(kConsoleStreams)},
      {"kHttpStreamQueue", text(kHttpStreamQueue)},
      {"kConsoleQueries", text(kConsoleQueries)},
      {"kConsoleChangeWords", text(kConsoleChangeWords)},
      {"kHistoryPoints", text(kHistoryPoints)},
      {"kConsoleWaiters", text(kConsoleWaiters)},
      {"kConsoleExplains", text(kConsoleExplains)},
      {"kConsolePageMost", text(kConsolePageMost)},
      {"Gate::kWrongTokens", text(Gate::kWrongTokens)},
      {"Gate::kAddresses", text(Gate::kAddresses)},
      {"Gate::kSessions", text(Gate::kSessions)},
      {"kProcessOctets", text(dns::UpstreamChannel::kProcessOctets)},
      {"kLeastOctets", text(dns::UpstreamChannel::kLeastOctets)},
      {"kMaxRequests", text(dns::UpstreamChannel::kMaxRequests)},
      {"kKeptOctets", text(dns::UpstreamChannel::kKeptOctets)},
      {"kMaxPorts", text(dns::SocketTransport::kMaxPorts)},
      {"kMostReplaced", text(dns::SocketTransport::kMostReplaced)},
      {"kMostBeside", text(dns::SocketTransport::kMostBeside)},
      {"kMostQueued", text(dns::SocketTransport::kMostQueued)},
      {"kMaxPem", text(dns::kMaxPem)},
      {"kMaxUpstreams", text(dns::kMaxUpstreams)},
      {"kMaxCachedMessage", text(dns::AnswerCache::kMaxCachedMessage)},
      {"kCacheOctetsPerEntry", text(dns::kCacheOctetsPerEntry)},
      {"kMaxChain", text(dns::Answer::kMaxChain)},
      {"kMaxResolvConfSize", text(dns::kMaxResolvConfSize)},
      {"kMaxObjectSize", text(registry::kubernetes::kMaxObjectSize)},
      {"kMaxApiTreeOctets", text(registry::kubernetes::kMaxApiTreeOctets)},
      {"kMaxKeptOctets", text(registry::kubernetes::kMaxKeptOctets)},
      {"kMaxServiceOctets", text(zones::kMaxServiceOctets)},
      {"kMaxObjectOctets", text(registry::gateways::kMaxObjectOctets)},
      {"kMaxClaims", text(registry::gateways::kMaxClaims)},
      {"kMaxComparisons", text(registry::gateways::kMaxComparisons)},
      {"kMaxHostAddresses", text(registry::gateways::kMaxHostAddresses)},
      {"kMaxAutoEntries", text(kMaxAutoEntries)},
      {"kMaxAutoZones", text(kMaxAutoZones)},
      {"kMaxNotifies", text(kMaxNotifies)},
      {"kMaxNotifiesUnderWay", text(kMaxNotifiesUnderWay)},
      {"kMaxTransfersIn", text(kMaxTransfersIn)},
      {"kMaxTransfers", text(zones::kMaxTransfers)},
      {"kMaxTransfersPerClient", text(zones::kMaxTransfersPerClient)},
      {"kTransferMessage", text(zones::kTransferMessage)},
      {"kMaxZoneFileOctets", text(zones::kMaxZoneFileOctets)},
      {"kMaxOutside", text(zones::kMaxOutside)},
      {"kMaxZoneRecords", text(zones::kMaxZoneRecords)},
      {"kMaxEtcdKeys", text(kMaxEtcdKeys)},
      {"kMaxEtcdOctets", text(kMaxEtcdOctets)},
      {"kMaxEtcdLeases", text(kMaxEtcdLeases)},
      {"kMaxEtcdResponse", text(kMaxEtcdResponse)},
      {"kMaxSkyDnsScan", text(zones::kMaxSkyDnsScan)},
      {"kMaxSkyDnsValue", text(zones::kMaxSkyDnsValue)},
      {"kMaxZoneOctets", text(zones::kMaxZoneOctets)},
      {"kMaxZoneRecordText", text(zones::kMaxZoneRecordText)},
      {"kMaxZoneIncludeDepth", text(zones::kMaxZoneIncludeDepth)},
      {"kMaxZoneIncludes", text(zones::kMaxZoneIncludes)},
      {"kMaxZoneErrors", text(zones::kMaxZoneErrors)},
      {"kMaxAdditionalHosts", text(zones::kMaxAdditionalHosts)},
      {"kMaxHostOctets", text(zones::kMaxHostOctets)},
      {"kMaxSnapshotSize", text(registry::kubernetes::kMaxSnapshotSize)},
      {"kMaxResponseHead", text(registry::kubernetes::kMaxResponseHead)},
      {"kMaxPluginOutput", text(registry::kubernetes::kMaxPluginOutput)},
      {"kMaxSelected", text(registry::kMaxSelected)},
      {"kMaxSlicePorts", text(registry::kMaxSlicePorts)},
      {"kMaxReplicas", text(registry::kMaxReplicas)},
      {"kMaxCorefileSize", text(kMaxCorefileSize)},
      {"kMaxForwards", text(kMaxForwards)},
      {"kMaxImportedSize", text(kMaxImportedSize)},
      {"kMaxStubDomains", text(kMaxStubDomains)},
      {"kMaxKubeDnsUpstreams", text(kMaxKubeDnsUpstreams)},
      {"kMaxManifestBytes", text(registry::kMaxManifestBytes)},
      {"kMaxFileObjects", text(registry::kMaxFileObjects)},
      {"kMaxWorkloadPods", text(registry::kMaxWorkloadPods)},
      {"kMaxMadePods", text(registry::kMaxMadePods)},
      {"kMaxMadeEndpoints", text(registry::kMaxMadeEndpoints)},
      {"kMaxAliasedNodes", text(registry::kMaxAliasedNodes)},
      {"kMaxHostsFileSize", text(kMaxHostsFileSize)},
      {"kMaxHostsTableSize", text(dns::kMaxHostsTableSize)},
      {"kMaxKubeconfigSize", text(registry::kubernetes::kMaxKubeconfigSize)},
      {"kMaxExpressionSize", text(dns::kMaxExpressionSize)},
      {"kMaxExpressionMemory", text(dns::kMaxExpressionMemory)},
      {"kRulesMemory", text(dns::kRulesMemory)},
      {"kMaxUpstreamOptions", text(dns::kMaxUpstreamOptions)},
      {"Expr::kMaxText", text(dns::Expr::kMaxText)},
      {"Expr::kMaxSteps", text(dns::Expr::kMaxSteps)},
      {"Expr::kMaxMade", text(dns::Expr::kMaxMade)},
      {"GoTemplate::kMaxText", text(dns::GoTemplate::kMaxText)},
      {"GoTemplate::kMaxOutput", text(dns::GoTemplate::kMaxOutput)},
      {"kMaxWeightFile", text(dns::kMaxWeightFile)},
      {"kLogOctets", text(kLogOctets)},
  };
}

// Of the rows `| what | `name` | number | …`.
std::map<std::string, std::string> documented() {
  std::map<std::string, std::string> found;
  std::ifstream page(CLUSTERDNS_SOURCE_DIR "/docs/limits.md");
  for (std::string line; std::getline(page, line);) {
    const std::size_t begin = line.find("| `");
    if (begin == std::string::npos) continue;
    const std::size_t end = line.find("` | ", begin);
    if (end == std::string::npos) continue;
    const std::size_t number = end + 4;
    found[line.substr(begin + 3, end - begin - 3)] =
        line.substr(number, line.find(' ', number) - number);
  }
  return found;
}

TEST(Limits, ThePageSaysWhatTheProgramHas) { EXPECT_EQ(documented(), limits()); }

}  // namespace
}  // namespace clusterdns::app
