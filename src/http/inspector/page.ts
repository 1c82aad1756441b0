/**
 * The page of the inspector: three files that load nothing from anywhere else.
 *
 *  P1  The page runs its own script only, has no inline script or style, and cannot be framed.
 */
import type { PageCode } from "./build-page.ts";
import type { Endpoint, Route } from "../router.ts";

const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

const HTML = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>holdfast inspector</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="page.css">
<script type="module" src="page.js"></script>
</head>
<body><div id="app"></div><noscript>The inspector needs JavaScript.</noscript></body>
</html>
`;

/** The routes of the page. */
export function pageRoutes(): Route[] {
  return [
    file("", "text/html; charset=utf-8", () => Promise.resolve(HTML)),
    file("page.js", "text/javascript; charset=utf-8", async () => (await code()).script),
    file("page.css", "text/css; charset=utf-8", async () => (await code()).style),
  ];
}

async function code(): Promise<PageCode> {
  return (await import("./page-code.ts")).pageCode();
}

function file(name: string, type: string, text: () => Promise<string>): Route {
  const GET: Endpoint = {
    access: () => ({ action: "inspect" }),
    serve: async () =>
      new Response(await text(), { headers: { ...HEADERS, "content-type": type } }),
  };
  return { path: [name], methods: () => ({ GET }) };
}

const HEADERS = {
  "cache-control": "no-store",
  "content-security-policy": POLICY,
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
};
