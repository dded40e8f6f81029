from aiohttp import web

routes = web.RouteTableDef()


@routes.get('/')
async def index(request: web.Request) -> web.FileResponse:
    return web.FileResponse('index.html')


@routes.get('/clock')
async def clock(request: web.Request) -> web.WebSocketResponse:
    ws = web.WebSocketResponse(heartbeat=20)
    await ws.prepare(request)
    return ws


app = web.Application()
app.add_routes(routes)
web.run_app(app, port=8080)
