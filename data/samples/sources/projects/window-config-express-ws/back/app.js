const express = require('express');
const app = express();
require('express-ws')(app);
const chat = express.Router();
chat.ws('/:room', (ws, req) => { ws.send(req.params.room); });
app.use('/chat', chat);
app.listen(3000);
