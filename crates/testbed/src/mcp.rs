//! A sample MCP server.
