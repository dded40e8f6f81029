// Apollo over graphql-ws: subscriptions come back by themselves, the token is read for each connection, fatal codes end the retries.
import { ApolloClient, HttpLink, InMemoryCache, split } from '@apollo/client';
import { GraphQLWsLink } from '@apollo/client/link/subscriptions';
import { getMainDefinition } from '@apollo/client/utilities';
import { createClient } from 'graphql-ws';
import { session } from './session';

let reconnected = false;

const subscriptions = createClient({
  url: `${location.protocol === 'https:' ? 'wss:' : 'ws:'}//${location.host}/graphql`,
  connectionParams: async () => ({ authorization: `Bearer ${await session.freshToken()}` }),
  keepAlive: 15_000,
  retryAttempts: Infinity,
  retryWait: async (retries) => {
    await new Promise((resolve) => setTimeout(resolve, Math.min(30_000, 500 * 2 ** retries) + Math.random() * 1000));
  },
  shouldRetry: (problem) => !(problem instanceof CloseEvent && [4400, 4401, 4403].includes(problem.code)),
  on: {
    connected: () => {
      if (reconnected) void client.refetchQueries({ include: 'active' });
      reconnected = true;
    },
    closed: (event) => console.info('subscriptions closed', (event as CloseEvent).code),
  },
});

const link = split(
  ({ query }) => {
    const definition = getMainDefinition(query);
    return definition.kind === 'OperationDefinition' && definition.operation === 'subscription';
  },
  new GraphQLWsLink(subscriptions),
  new HttpLink({ uri: '/graphql' }),
);

export const client = new ApolloClient({ link, cache: new InMemoryCache() });
