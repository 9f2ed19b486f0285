"""Policy gradients as of 2017: optimizer.get_updates over a loss of placeholders, trained by K.function."""
import numpy as np
from keras import backend as K
from keras.layers import Dense, Input
from keras.models import Model
from keras.optimizers import Adam


class Agent(object):
    def __init__(self, input_dim, output_dim, hidden=16):
        self.output_dim = output_dim
        X = Input(shape=(input_dim,))
        net = Dense(hidden, activation='relu')(X)
        net = Dense(output_dim, activation='softmax')(net)
        self.model = Model(inputs=X, outputs=net)
        self.__build_train_fn()

    def __build_train_fn(self):
        action_prob_placeholder = self.model.output
        action_onehot_placeholder = K.placeholder(shape=(None, self.output_dim), name='action_onehot')
        discount_reward_placeholder = K.placeholder(shape=(None,), name='discount_reward')
        action_prob = K.sum(action_prob_placeholder * action_onehot_placeholder, axis=1)
        log_action_prob = K.log(action_prob)
        loss = -log_action_prob * discount_reward_placeholder
        loss = K.mean(loss)
        adam = Adam(lr=0.02)
        updates = adam.get_updates(params=self.model.trainable_weights, loss=loss)
        self.train_fn = K.function(inputs=[self.model.input, action_onehot_placeholder, discount_reward_placeholder], outputs=[loss], updates=updates)

    def get_action(self, state):
        action_prob = np.squeeze(self.model.predict(state[None]))
        return np.random.choice(np.arange(self.output_dim), p=action_prob / action_prob.sum())


agent = Agent(4, 3)
best = np.array([2, 0, 1, 2])  # the action that pays, by state
rewards = []
for episode in range(40):
    at = np.random.randint(0, 4, 24)
    S = np.eye(4)[at]
    A = np.array([agent.get_action(s) for s in S])
    R = (A == best[at]).astype('float32')
    rewards.append(R.mean())
    before = agent.model.get_weights()
    loss = agent.train_fn([S, np.eye(3)[A], (R - R.mean()) / (R.std() + 1e-6)])[0]
    assert np.ndim(loss) == 0 and any((a != b).any() for a, b in zip(before, agent.model.get_weights()))
print(rewards)
assert np.mean(rewards[-5:]) > 0.8 > np.mean(rewards[:3]) and (agent.model.predict(np.eye(4)).argmax(1) == best).all()
