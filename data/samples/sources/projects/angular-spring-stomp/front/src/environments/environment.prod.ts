export const environment = { production: true, broker: 'wss://app.example/app/stomp' };
