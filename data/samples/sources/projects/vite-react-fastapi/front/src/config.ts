export const WS_BASE: string = import.meta.env.VITE_WS_BASE;
export const paths = { orders: (id: string) => `/api/orders/${id}/live` } as const;
