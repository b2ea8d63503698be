// SPDX-License-Identifier: GPL-2.0
// node_cluster.js WORKERS PORT: an HTTP server whose worker processes get their
// connections from the primary. Each request is told on stdout, before its answer:
// LADDR LPORT PADDR PPORT PID.
'use strict';
const cluster = require('cluster');
const fs = require('fs');
const http = require('http');

if (cluster.isMaster) {
	cluster.schedulingPolicy = cluster.SCHED_RR;
	for (let i = 0; i < Number(process.argv[2]); i++)
		cluster.fork();
	process.on('SIGTERM', () => {
		for (const worker of Object.values(cluster.workers))
			worker.process.kill();
		process.exit(0);
	});
} else {
	http.createServer((request, response) => {
		const s = request.socket;

		fs.writeSync(1, `${s.localAddress} ${s.localPort} ` +
			`${s.remoteAddress} ${s.remotePort} ${process.pid}\n`);
		response.setHeader('Connection', 'close');
		response.end('served\n');
	}).listen(Number(process.argv[3]));
}
