-- Calls a small tool again and again, with the tokens of a file in turn. wrk's own way to say what it found is read by
-- the measurement.
local requests, nth = {}, 0
function init(arguments)
  local body = '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"weather","arguments":{"place":"Oslo"}}}'
  for token in io.lines(os.getenv("TOKENS")) do
    requests[#requests + 1] = wrk.format("POST", "/mcp", {
      ["Host"] = "127.0.0.1", ["Content-Type"] = "application/json", ["Accept"] = "application/json, text/event-stream",
      ["MCP-Protocol-Version"] = "2025-11-25", ["Authorization"] = "Bearer " .. token }, body)
  end
end
function request()
  nth = nth % #requests + 1
  return requests[nth]
end
function done(summary, latency)
  local errors = summary.errors
  io.write(string.format("FOUND %d %d %d %d %d\n", summary.requests, summary.duration, latency:percentile(50),
    latency:percentile(99), errors.status + errors.connect + errors.read + errors.write + errors.timeout))
end
