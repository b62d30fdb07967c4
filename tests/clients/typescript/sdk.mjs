// `@modelcontextprotocol/sdk` as a caller. It knows sessions only; ERA is ignored.
// Usage: sdk.mjs URL ERA TOOL ARGUMENTS, the bearer token in TOKEN.

import { collector, load, report, seen } from './report.mjs';

const { Client } = load('@modelcontextprotocol/sdk/client/index.js');
const { StreamableHTTPClientTransport } = load('@modelcontextprotocol/sdk/client/streamableHttp.js');

await report(async ({ url, tool, args, headers }) => {
  const client = new Client({ name: 'bearward-tests', version: '0' });
  const transport = new StreamableHTTPClientTransport(url, { requestInit: { headers } });
  await client.connect(transport);
  const tools = await client.listTools();
  const { progress, onprogress } = collector();
  const result = await client.callTool({ name: tool, arguments: args }, undefined, { onprogress });
  const protocol = transport.protocolVersion;
  await transport.terminateSession();
  await client.close();
  return seen(protocol, tools, result, progress);
});
