// `@modelcontextprotocol/client` as a caller.
// Usage: client.mjs URL ERA TOOL ARGUMENTS, the bearer token in TOKEN.
// ERA is `legacy` (a session, by `initialize`) or a revision without sessions such as `2026-07-28`.

import { collector, load, report, seen } from './report.mjs';

const { Client, StreamableHTTPClientTransport } = load('@modelcontextprotocol/client');

await report(async ({ url, era, tool, args, token }) => {
  const mode = era === 'legacy' ? 'legacy' : { pin: era };
  const client = new Client({ name: 'bearward-tests', version: '0' }, { versionNegotiation: { mode } });
  const authProvider = token ? { token: async () => token } : undefined;
  const transport = new StreamableHTTPClientTransport(url, { authProvider });
  await client.connect(transport);
  const tools = await client.listTools();
  const { progress, onprogress } = collector();
  const result = await client.callTool({ name: tool, arguments: args }, { onprogress });
  const protocol = client.getNegotiatedProtocolVersion?.() ?? transport.protocolVersion;
  if (era === 'legacy') await transport.terminateSession();
  await client.close();
  return seen(protocol, tools, result, progress);
});
