from fastapi import APIRouter, WebSocket

router = APIRouter()


@router.websocket('/{order_id}/live')
async def live(websocket: WebSocket, order_id: str) -> None:
    await websocket.accept()
