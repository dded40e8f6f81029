import { defineConfig } from 'vite';

export default defineConfig({
  server: { proxy: { '/backend': { target: 'http://localhost:9000', ws: true, changeOrigin: true, rewrite: (p) => p.replace(/^\/backend/, '') } } },
});
